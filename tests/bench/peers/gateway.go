// A gateway as one writes it with Go and gorilla/websocket: messages of all servers become lines
// for all subscribers of a UNIX socket. Each server and each subscriber has a goroutine; a
// subscriber's flushes when its channel is empty, and a channel that is full stops the servers.
//
//	gateway_go SOCKET SUBSCRIBERS URL...
//
// Prints "ready" when it listens; connects when all subscribers are there.
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"

	"github.com/gorilla/websocket"
)

const (
	bufferBytes = 64 * 1024
	queueLength = 256
)

type subscriber struct {
	lines chan []byte
}

func (s subscriber) write(conn net.Conn) {
	writer := bufio.NewWriterSize(conn, bufferBytes)
	for line := range s.lines {
		if _, err := writer.Write(line); err != nil {
			return
		}
		if len(s.lines) > 0 {
			continue
		}
		if err := writer.Flush(); err != nil {
			return
		}
	}
}

func accept(listener net.Listener, count int) []subscriber {
	subscribers := make([]subscriber, count)
	for i := range subscribers {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		subscribers[i] = subscriber{make(chan []byte, queueLength)}
		go subscribers[i].write(conn)
	}
	return subscribers
}

func receive(url string, subscribers []subscriber) {
	dialer := websocket.Dialer{
		ReadBufferSize:  bufferBytes,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		line := append(message, '\n')
		for _, s := range subscribers {
			s.lines <- line
		}
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	subscribers := accept(listener, count)
	for _, url := range os.Args[3:] {
		go receive(url, subscribers)
	}
	select {}
}
