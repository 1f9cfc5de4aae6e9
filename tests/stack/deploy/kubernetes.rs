//! The Kubernetes manifests: built by kustomize, and of the types that Kubernetes has.

use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use poolscope_tests::stack::{Prometheus, file, text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::compose::pinned;
use super::{AGENT, GATEWAY, Scratch, documents, go_run, output, variables, yaml};

const FOLDER: &str = "collector-config/kubernetes";
const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";

/// What Kubernetes makes of an object: what it does not know is lost, and what is missing is there, empty.
fn typed<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

fn known(object: &Value) -> Result<Value, String> {
    match object["kind"].as_str() {
        Some("Deployment") => typed::<Deployment>(object),
        Some("Service") => typed::<Service>(object),
        Some("ConfigMap") => typed::<ConfigMap>(object),
        Some("Namespace") => typed::<Namespace>(object),
        Some("PodDisruptionBudget") => typed::<PodDisruptionBudget>(object),
        kind => Err(format!("no type for {kind:?}")),
    }
}

/// Fields that Kubernetes does not know, and such as it wants and are not there.
fn differences(path: &str, given: &Value, known: &Value) -> Vec<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            let lost = given.keys().filter(|key| !known.contains_key(*key));
            let wanted = known.keys().filter(|key| !given.contains_key(*key));
            let both = given.iter().filter_map(|(key, value)| Some((key, value, known.get(key)?)));
            lost.map(|key| format!("{path}.{key} is unknown"))
                .chain(wanted.map(|key| format!("{path}.{key} is missing")))
                .chain(
                    both.flat_map(|(key, given, known)| differences(&format!("{path}.{key}"), given, known)),
                )
                .collect()
        }
        (Value::Array(given), Value::Array(known)) if given.len() == known.len() => {
            let pairs = given.iter().zip(known).enumerate();
            pairs
                .flat_map(|(at, (given, known))| differences(&format!("{path}[{at}]"), given, known))
                .collect()
        }
        _ if given == known => Vec::new(),
        _ => vec![format!("{path} is {given}, taken as {known}")],
    }
}

fn findings(yaml: &str) -> Vec<String> {
    let objects = documents(yaml);
    assert!(!objects.is_empty());
    let check = |object: &Value| match known(object) {
        Ok(known) => differences(&object["kind"].to_string(), object, &known),
        Err(error) => vec![error],
    };
    objects.iter().flat_map(check).collect()
}

#[test]
fn manifests_have_no_field_that_kubernetes_lacks() {
    for name in ["namespace.yaml", "gateway.yaml", "dashboard.yaml", "sidecar/shop.yaml"] {
        let yaml = text(&format!("{FOLDER}/{name}")).unwrap();
        assert_eq!(findings(&yaml), [""; 0], "{name}");
    }
}

#[test]
fn a_slip_of_the_pen_is_found() {
    let gateway = text(&format!("{FOLDER}/gateway.yaml")).unwrap();
    for (from, to, found) in [
        ("periodSeconds: 5", "periodSecond: 5", "periodSecond is unknown"),
        ("minAvailable: 1", "minAvailble: 1", "minAvailble is unknown"),
        ("replicas: 2", "replicas: two", "invalid type"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: \"true\"", "invalid type"),
        ("apiVersion: policy/v1", "apiVersion: policy/v2", "policy/v1"),
    ] {
        assert!(gateway.contains(from), "{from}");
        let findings = findings(&gateway.replace(from, to));
        assert!(findings.iter().any(|finding| finding.contains(found)), "{to}: {findings:?}");
    }
    let shop = text(&format!("{FOLDER}/sidecar/shop.yaml")).unwrap();
    let without = shop.replace("  selector:\n    matchLabels:\n      app.kubernetes.io/name: shop\n", "");
    assert_eq!(findings(&without), ["\"Deployment\".spec.selector is missing"]);
}

#[test]
fn containers_are_confined_and_pinned() {
    let gateway = documents(&text(&format!("{FOLDER}/gateway.yaml")).unwrap());
    let dashboard = documents(&text(&format!("{FOLDER}/dashboard.yaml")).unwrap());
    let agent = documents(&text(&format!("{FOLDER}/sidecar/agent.yaml")).unwrap());
    let spec = |object: &Value| object["spec"]["template"]["spec"].clone();
    let containers = [
        spec(&gateway[0])["containers"][0].clone(),
        spec(&dashboard[0])["containers"][0].clone(),
        spec(&agent[0])["initContainers"][0].clone(),
    ];
    for container in &containers {
        let (name, confined) = (&container["name"], &container["securityContext"]);
        assert_eq!(confined["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(confined["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(confined["capabilities"]["drop"][0], "ALL", "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        assert!(container["livenessProbe"].is_object(), "{name}");
    }
    for (pod, container) in [(spec(&gateway[0]), &containers[0]), (spec(&agent[0]), &containers[2])] {
        let image = container["image"].as_str().unwrap();
        assert!(pinned(image), "{image}");
        assert!(
            pod["securityContext"]["runAsNonRoot"] == true
                || container["securityContext"]["runAsNonRoot"] == true
        );
    }
    for (container, config) in [(&containers[0], GATEWAY), (&containers[2], AGENT)] {
        let read: Vec<_> = variables(config).into_iter().map(|(name, _)| name).collect();
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(
                name == "GOMEMLIMIT" || read.iter().any(|read| read == name),
                "{config} does not read {name}"
            );
        }
    }
}

fn kustomize(folder: &str) -> Vec<Value> {
    let yaml = output(go_run(KUSTOMIZE).arg("build").arg(file(folder)));
    // The same by the client of a cluster, where there is one.
    let kubectl = Command::new("kubectl").arg("kustomize").arg(file(folder)).output();
    if let Ok(kubectl) = kubectl {
        assert!(kubectl.status.success(), "{}", String::from_utf8_lossy(&kubectl.stderr));
        assert_eq!(String::from_utf8_lossy(&kubectl.stdout), yaml);
    }
    assert_eq!(findings(&yaml), [""; 0], "{folder}");
    documents(&yaml)
}

fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "two of {kind}");
    one
}

#[test]
#[ignore = "needs Go"]
fn kustomize_puts_the_committed_gateway_into_the_cluster() {
    let objects = kustomize(FOLDER);
    let config = the(&objects, "ConfigMap");
    assert_eq!(config["data"]["config.yaml"], text(GATEWAY).unwrap());
    let gateway = objects
        .iter()
        .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "poolscope-gateway")
        .unwrap();
    let volume = &gateway["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"];
    assert_eq!(*volume, config["metadata"]["name"]);
    assert_ne!(*volume, "poolscope-gateway", "a change of the configuration would roll nothing");
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], "poolscope", "{object}");
    }
}

#[test]
#[ignore = "needs Go"]
fn kustomize_puts_the_committed_agent_beside_a_service() {
    let objects = kustomize(&format!("{FOLDER}/sidecar"));
    let config = the(&objects, "ConfigMap");
    assert_eq!(config["data"]["config.yaml"], text(AGENT).unwrap());
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["name"], "shop");
    assert_eq!(pod["initContainers"][0]["restartPolicy"], "Always");
    assert_eq!(pod["volumes"][0]["configMap"]["name"], config["metadata"]["name"]);
}

/// What the README adds to a Prometheus without the operator: Prometheus takes it, and it is about what the manifests have.
#[test]
#[ignore = "needs promtool"]
fn prometheus_takes_the_jobs_of_the_readme() {
    let readme = text("collector-config/README.md").unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with("One cluster")).unwrap();
    let parts: Vec<_> =
        section.split("```yaml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    let [relabeling, job] = parts[..] else { panic!("{parts:#?}") };
    let theirs = format!("- job_name: pods\nhonor_labels: true\n{relabeling}").replace('\n', "\n    ");
    let config = format!("{job}  {theirs}\n");

    let scratch = Scratch::new("jobs");
    let path = scratch.0.join("prometheus.yml");
    // Debian builds Prometheus without the discovery of Kubernetes.
    let discovery =
        "    kubernetes_sd_configs:\n      - role: pod\n        namespaces: { names: [poolscope] }\n";
    assert!(config.contains(discovery), "{config}");
    std::fs::write(&path, config.replace(discovery, "")).unwrap();
    output(Prometheus::promtool().unwrap().args(["check", "config"]).arg(&path));

    let [config] = &documents(&config)[..] else { panic!("{config}") };
    let own = &config["scrape_configs"][0];
    let keep = own["relabel_configs"][0]["regex"].as_str().unwrap();
    let objects = documents(&text(&format!("{FOLDER}/gateway.yaml")).unwrap());
    let pod = &the(&objects, "Deployment")["spec"]["template"];
    let name = pod["metadata"]["labels"]["app.kubernetes.io/name"].as_str().unwrap();
    let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| keep == format!("{name};{}", port["name"].as_str().unwrap())), "{keep}");
    let namespaces = &own["kubernetes_sd_configs"][0]["namespaces"]["names"];
    assert_eq!(namespaces[0], yaml(&format!("{FOLDER}/namespace.yaml"))["metadata"]["name"]);
    let committed = yaml("collector-config/prometheus/prometheus.yml");
    assert_eq!(own["job_name"], committed["scrape_configs"][1]["job_name"]);
    let renamed = &config["scrape_configs"][1]["relabel_configs"][0]["replacement"];
    assert_eq!(*renamed, committed["scrape_configs"][0]["job_name"]);
}

/// The rules ask for jobs by their names; the operator would give them another.
#[test]
fn the_operator_scrapes_as_the_jobs_of_the_committed_configuration() {
    let monitor = yaml(&format!("{FOLDER}/pod-monitor.yaml"));
    let endpoints = monitor["spec"]["podMetricsEndpoints"].as_array().unwrap();
    let relabeled: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let relabeling = &endpoint["relabelings"][0];
            assert_eq!(relabeling["targetLabel"], "job", "{endpoint}");
            (relabeling["replacement"].clone(), endpoint["honorLabels"].as_bool().unwrap_or(false))
        })
        .collect();
    let config = yaml("collector-config/prometheus/prometheus.yml");
    let jobs = config["scrape_configs"].as_array().unwrap().iter();
    let jobs: Vec<_> =
        jobs.map(|job| (job["job_name"].clone(), job["honor_labels"].as_bool().unwrap_or(false))).collect();
    assert_eq!(relabeled, jobs);
}
