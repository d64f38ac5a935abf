// A WebSocket server with node-ws. It listens on a free port of loopback and writes what happens to
// standard output, one JSON object a line; {"port":…} is the first. It ends with its standard input.
//
//   /echo            sends everything back, in the fragments' sum
//   /close?code=&reason=   closes at once
//   /plan?file=&text=&binary=   sends the messages of a plan (harness/plan.py)

'use strict';

const fs = require('fs');
const { WebSocketServer } = require('ws');

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

const server = new WebSocketServer({
	host: '127.0.0.1',
	port: 0,
	perMessageDeflate: { threshold: 16 },
	maxPayload: 64 * 1024 * 1024,
	handleProtocols: (protocols) => [...protocols][0],
});
server.on('listening', () => say({ port: server.address().port }));

const sendPlan = async (socket, query) => {
	const plan = JSON.parse(fs.readFileSync(query.get('file')));
	const pools = { t: fs.readFileSync(query.get('text')), b: fs.readFileSync(query.get('binary')) };
	const send = (data, options) =>
		new Promise((done, fail) => socket.send(data, options, (error) => (error ? fail(error) : done())));
	for (const [type, start, length, pieces] of plan) {
		const pool = pools[type];
		let last = null;
		for (let piece = 0; piece < pieces; piece++) {
			const from = start + Math.floor((length * piece) / pieces);
			const to = start + Math.floor((length * (piece + 1)) / pieces);
			last = send(pool.subarray(from, to), { binary: type === 'b', fin: piece === pieces - 1 });
		}
		if (socket.bufferedAmount > 1 << 20)
			await last;
	}
};

server.on('connection', (socket, request) => {
	const url = new URL(request.url, 'ws://localhost');
	say({ event: 'open', url: request.url, headers: request.headers });
	socket.on('message', (data, binary) => {
		say({ event: 'message', binary, length: data.length });
		if (url.pathname === '/echo')
			socket.send(data, { binary });
	});
	socket.on('close', (code, reason) => say({ event: 'close', code, reason: reason.toString() }));
	socket.on('error', (error) => say({ event: 'error', message: error.message }));
	if (url.pathname === '/close')
		socket.close(Number(url.searchParams.get('code')), url.searchParams.get('reason') || '');
	if (url.pathname === '/plan')
		sendPlan(socket, url.searchParams).catch((error) => say({ event: 'error', message: error.message }));
});

process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
