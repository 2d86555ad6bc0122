package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/earshot-voip/earshot/internal/config"
)

// Whether the API server takes the objects is shown by .ci/peers/kubernetes with
// its own types. Here: that they fit together, and that the command in them is
// ours.
func TestExampleKubernetesObjectsFitTogether(t *testing.T) {
	objects := map[string]map[string]any{}
	for file, all := range documents(t, filepath.Join(examples, "kubernetes")) {
		for _, o := range all {
			kind, _ := o["kind"].(string)
			for _, path := range [][]any{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"}} {
				if s, _ := at(o, path...).(string); s == "" {
					t.Errorf("%s: an object lacks %v", file, path)
				}
			}
			objects[kind] = o
		}
	}
	for _, kind := range []string{"ConfigMap", "PersistentVolumeClaim", "Deployment", "Service", "ServiceMonitor", "Probe"} {
		if objects[kind] == nil {
			t.Fatalf("there is no %s", kind)
		}
	}
	pod := at(objects["Deployment"], "spec", "template", "spec")
	container := at(pod, "containers", 0)
	labels := at(objects["Deployment"], "spec", "template", "metadata", "labels")
	same := func(what string, got, want any) {
		t.Helper()
		if got == nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	same("what the Deployment selects", at(objects["Deployment"], "spec", "selector", "matchLabels"), labels)
	same("what the Service selects", at(objects["Service"], "spec", "selector"), labels)
	same("what the ServiceMonitor selects", at(objects["ServiceMonitor"], "spec", "selector", "matchLabels"), at(objects["Service"], "metadata", "labels"))
	port := at(container, "ports", 0, "name")
	same("the Service's port", at(objects["Service"], "spec", "ports", 0, "targetPort"), port)
	same("the ServiceMonitor's port", at(objects["ServiceMonitor"], "spec", "endpoints", 0, "port"), at(objects["Service"], "spec", "ports", 0, "name"))
	same("the port of liveness", at(container, "livenessProbe", "httpGet", "port"), port)
	same("the port of readiness", at(container, "readinessProbe", "httpGet", "port"), port)
	same("the claim", at(pod, "volumes", 1, "persistentVolumeClaim", "claimName"), at(objects["PersistentVolumeClaim"], "metadata", "name"))
	same("the prober", at(objects["Probe"], "spec", "prober", "url"), "earshot-agent.voice.svc:9725")
	same("who runs it", at(pod, "securityContext", "runAsNonRoot"), true)
	same("the root file system", at(container, "securityContext", "readOnlyRootFilesystem"), true)
	same("capabilities", at(container, "securityContext", "capabilities", "drop"), []any{"ALL"})
	same("limits, none of them of CPU", at(container, "resources", "limits"), map[string]any{"memory": "512Mi"})

	args, _ := at(container, "args").([]any)
	var line []string
	for _, a := range args {
		line = append(line, a.(string))
	}
	checkCommandLine(t, "Deployment", line)
	checkEmbeddedConfiguration(t, objects)
}

// checkEmbeddedConfiguration loads the configuration in the ConfigMap, and looks
// whether the Probe asks for what it allows.
func checkEmbeddedConfiguration(t *testing.T, objects map[string]map[string]any) {
	t.Helper()
	dir := t.TempDir()
	text, _ := at(objects["ConfigMap"], "data", "agent.yml").(string)
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"agent.yml": text, "secrets/echo.token": "secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.NewSource(filepath.Join(dir, "agent.yml")).Load()
	if err != nil {
		t.Fatal(err)
	}
	name, _ := at(objects["Probe"], "spec", "module").(string)
	module, has := c.Modules[name]
	if !has {
		t.Fatalf("the Probe asks for module %q, which the configuration does not have", name)
	}
	target, _ := at(objects["Probe"], "spec", "targets", "staticConfig", "static", 0).(string)
	if _, err := module.Target(target); err != nil {
		t.Errorf("the Probe asks for %s: %v", target, err)
	}
}

// promtool reads these files in .ci/peers/prometheus. Here: that /probe is asked
// as exporters of its kind are.
func TestExamplePrometheusAsksProbe(t *testing.T) {
	all := documents(t, filepath.Join(examples, "prometheus"))
	job := at(all["prometheus.yml"][0], "scrape_configs", 1)
	if at(job, "metrics_path") != "/probe" || at(job, "relabel_configs", 0, "target_label") != "__param_target" {
		t.Errorf("got %v, want a job that relabels targets for /probe", job)
	}
	if w := at(all["receiver.yml"][0], "storage", "tsdb", "out_of_order_time_window"); w != "1d" {
		t.Errorf("got an out-of-order window of %v, want one of a day", w)
	}
}
