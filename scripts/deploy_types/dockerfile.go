package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

// There is no registry: every image is taken to be there and to say nothing about itself.
type images struct{}

func (images) ResolveImageConfig(_ context.Context, name string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return name, "", []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers"}}`), nil
}

// Refuses what BuildKit cannot build, and whatever its linter warns of.
func dockerfile(text []byte) error {
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		SourceMap: source, MetaResolver: images{},
	})
	if err != nil {
		return err
	}
	var found []error
	if results.Error != nil {
		found = append(found, errors.New(results.Error.Message))
	}
	for _, warning := range results.Warnings {
		found = append(found, fmt.Errorf("%s: %s", warning.RuleName, warning.Detail))
	}
	return errors.Join(found...)
}
