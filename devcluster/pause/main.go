// Command pause is the only program of the node's own image. Without arguments it holds a pod's
// namespaces open; with the arguments of the volume provisioner it makes or removes one directory,
// so that the node needs no image with a shell.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// hold waits for the end of the pod and reaps the children that its containers left behind.
func hold() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

// create makes the directory open to every user: a volume's pod decides who writes to it.
func create(path string) error {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	return os.Chmod(path, 0o777)
}

func main() {
	path := flag.String("p", "", "directory of the volume")
	action := flag.String("a", "", "create or delete")
	flag.String("s", "", "size, which a directory cannot enforce")
	flag.String("m", "", "volume mode, always a filesystem")
	flag.Parse()
	var err error
	switch *action {
	case "":
		hold()
	case "create":
		err = create(*path)
	case "delete":
		err = os.RemoveAll(*path)
	default:
		err = fmt.Errorf("no action %q", *action)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
