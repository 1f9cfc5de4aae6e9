// A peer of Poolscope in Go: sends to its dashboard with the OpenTelemetry SDK, or receives what it exports.
//
//	peer send PROTOCOL ENDPOINT TARGET   PROTOCOL is grpc or http/protobuf, ENDPOINT host:port
//	peer receive                         prints its ports, then each request as one line of JSON
package main

import (
	"context"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	var err error
	switch {
	case len(os.Args) == 5 && os.Args[1] == "send":
		err = send(context.Background(), os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 2 && os.Args[1] == "receive":
		err = receive()
	default:
		log.Fatal("usage: peer send PROTOCOL ENDPOINT TARGET | peer receive")
	}
	if err != nil {
		log.Fatal(err)
	}
}
