// Pion's TURN client, as a program: two allocations on one server, twenty packets from one to the other and back.
//
//	pion ADDRESS USERNAME PASSWORD REALM
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v2"
)

func relay(address, username, password, realm string) (*turn.Client, net.PacketConn, error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: address,
		TURNServerAddr: address,
		Conn:           socket,
		Username:       username,
		Password:       password,
		Realm:          realm,
		LoggerFactory:  logging.NewDefaultLoggerFactory(),
	})
	if err != nil {
		return nil, nil, err
	}
	if err = client.Listen(); err != nil {
		return nil, nil, err
	}
	if _, err = client.SendBindingRequest(); err != nil {
		return nil, nil, err
	}
	relayed, err := client.Allocate()
	return client, relayed, err
}

func run() error {
	one, first, err := relay(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err != nil {
		return err
	}
	defer one.Close()
	two, second, err := relay(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err != nil {
		return err
	}
	defer two.Close()
	if err = one.CreatePermission(second.LocalAddr()); err != nil {
		return err
	}
	if err = two.CreatePermission(first.LocalAddr()); err != nil {
		return err
	}
	echoed := 0
	buffer := make([]byte, 1500)
	for number := 0; number < 20; number++ {
		message := fmt.Sprintf("packet %d", number)
		if _, err = first.WriteTo([]byte(message), second.LocalAddr()); err != nil {
			return err
		}
		_ = second.SetReadDeadline(time.Now().Add(2 * time.Second))
		size, from, err := second.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err = second.WriteTo(buffer[:size], from); err != nil {
			return err
		}
		_ = first.SetReadDeadline(time.Now().Add(2 * time.Second))
		size, _, err = first.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if string(buffer[:size]) == message {
			echoed++
		}
	}
	fmt.Printf("echoed %d of 20\n", echoed)
	if err = first.Close(); err != nil {
		return err
	}
	return second.Close()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
