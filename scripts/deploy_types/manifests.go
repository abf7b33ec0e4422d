package main

import (
	"bytes"
	"fmt"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// Refuses a field that the operator does not know, a value of another type, and a file without any of its kinds.
func manifests(text []byte) error {
	read := 0
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(document, &head); err != nil {
			return err
		}
		if head.APIVersion != "monitoring.coreos.com/v1" {
			continue
		}
		var target any
		switch head.Kind {
		case "ServiceMonitor":
			target = &monitoring.ServiceMonitor{}
		case "PrometheusRule":
			target = &monitoring.PrometheusRule{}
		default:
			return fmt.Errorf("%s is not one of the kinds that the chart makes", head.Kind)
		}
		if err := yaml.UnmarshalStrict(document, target); err != nil {
			return fmt.Errorf("%s: %w", head.Kind, err)
		}
		read++
	}
	if read == 0 {
		return fmt.Errorf("there is no manifest of the operator")
	}
	return nil
}
