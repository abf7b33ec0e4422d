// Holds files against the code that will read them: `manifests` those of the Prometheus operator (standard
// input) against its types, `dockerfile` a Dockerfile against BuildKit, with every rule of its linter.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	checks := map[string]func([]byte) error{"manifests": manifests, "dockerfile": dockerfile}
	if len(os.Args) != 2 || checks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: deploy-types manifests|dockerfile <FILE")
		os.Exit(2)
	}
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = checks[os.Args[1]](text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
