/*
 * A gateway as one writes it with Node and `ws`: messages of all servers become lines for all
 * subscribers of a UNIX socket. The messages of one turn of the loop go out in one write each, and
 * whoever is full stops the servers.
 *
 *     node gateway.js SOCKET SUBSCRIBERS URL...
 *
 * Prints "ready" when it listens; connects when all subscribers are there.
 */
'use strict';

const net = require('net');
const WebSocket = require('ws');

const [path, count, ...urls] = process.argv.slice(2);
const subscribers = [];
const servers = [];
const newline = Buffer.from('\n');
let corked = false;
let full = 0;

function uncork() {
	corked = false;
	for (const subscriber of subscribers)
		subscriber.uncork();
}

function cork() {
	corked = true;
	for (const subscriber of subscribers)
		subscriber.cork();
	process.nextTick(uncork);
}

function wait(subscriber) {
	subscriber.waiting = true;
	if (full++ === 0)
		servers.forEach((server) => server.pause());
	subscriber.once('drain', () => {
		subscriber.waiting = false;
		if (--full === 0)
			servers.forEach((server) => server.resume());
	});
}

function publish(message) {
	const line = Buffer.concat([message, newline]);

	if (!corked)
		cork();
	for (const subscriber of subscribers)
		if (!subscriber.write(line) && !subscriber.waiting)
			wait(subscriber);
}

function connect(url) {
	const server = new WebSocket(url, {
		perMessageDeflate: false,
		rejectUnauthorized: false,
	});

	server.on('message', publish);
	server.on('error', (error) => { throw error; });
	servers.push(server);
}

net.createServer((subscriber) => {
	subscriber.on('error', () => process.exit());
	subscribers.push(subscriber);
	if (subscribers.length === Number(count))
		urls.forEach(connect);
}).listen({ path, backlog: 4096 }, () => console.log('ready'));
