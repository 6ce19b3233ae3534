//! What `deploy/` and `k8s/` say about the programs is what the programs are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "manifests/figures.rs"]
mod figures;
#[path = "manifests/read.rs"]
mod read;

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::auth::Verifier;
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::run;
use read::{Container, containers, dockerfile, list, pods, text, texts, words, yaml};
use serde_json::Value;

/// The services, each with its program, and the one that holds them all.
const SERVICES: [&str; 4] = ["issues", "payouts", "balance", "gateway"];
const OVERLAYS: [&str; 2] = ["dev", "production"];

/// Secrets that operators make, with the keys that they promise.
const MADE: [(&str, &str); 5] = [
    ("issues-db-app", "uri"),
    ("payouts-db-app", "uri"),
    ("balance-db-app", "uri"),
    ("bus-default-user", "username"),
    ("bus-default-user", "password"),
];

/// What stands in the templates in place of a secret.
const TEMPLATE: &str = "REPLACE";

fn program(service: &str) -> String {
    format!("quittance-{service}")
}

/// The address on which a service is called.
fn port(config: &Config, service: &str) -> u16 {
    match service {
        "issues" => config.issues.listen.port(),
        "payouts" => config.payouts.listen.port(),
        "balance" => config.balance.listen.port(),
        _ => config.gateway.listen.port(),
    }
}

/// The configuration with which a container of an overlay starts. Secrets have a stand-in.
fn deployed(overlay: &str, container: &Container) -> Config {
    let mut variables = read::literals("k8s/base/kustomization.yaml");
    variables.extend(read::literals(&format!("k8s/overlays/{overlay}/kustomization.yaml")));
    variables.extend(container.variables("a-stand-in-that-is-longer-than-32-bytes"));
    Config::load_with(None, variables.into_iter().collect())
        .unwrap_or_else(|error| panic!("{overlay}: {}: {error}", container.name))
}

fn ours() -> Vec<Container> {
    let ours: Vec<_> = containers("k8s/base").into_iter().filter(Container::is_ours).collect();
    assert_eq!(ours.len(), 9, "four services, three migrations and two jobs");
    ours
}

#[test]
fn every_variable_is_a_key_of_the_configuration() {
    let keys: BTreeSet<String> = Config::keys().into_iter().map(|entry| entry.path).collect();
    let mut count = 0;
    for (path, text) in texts(&["deploy", "k8s"]).into_iter().chain(read::documents()) {
        for word in words(&text).filter_map(|word| word.strip_prefix("QUITTANCE__")) {
            let key = word.to_lowercase().replace("__", ".");
            assert!(keys.contains(&key), "{}: there is no key {key}", path.display());
            count += 1;
        }
    }
    assert!(count > 40, "the variables were not found");
}

#[test]
fn every_container_starts_with_a_configuration_that_holds() {
    run::install_tls();
    for overlay in OVERLAYS {
        for container in ours() {
            let config = deployed(overlay, &container);
            let mode = if overlay == "dev" { Mode::Development } else { Mode::Production };
            assert_eq!(config.mode, mode, "{overlay}");
            Verifier::from_config(&config.auth, config.mode).unwrap();
        }
    }
    for service in SERVICES {
        let variables = read::compose_variables(service);
        let config = Config::load_with(None, variables.into_iter().collect()).unwrap();
        assert_eq!(config.mode, Mode::Development);
        Verifier::from_config(&config.auth, config.mode).unwrap();
    }
}

#[test]
fn every_command_is_one_of_the_programs() {
    let mut commands: Vec<Vec<String>> = ours().into_iter().map(|c| c.command).collect();
    let compose = read::compose();
    commands.extend(SERVICES.map(|service| list(&compose["services"][service]["command"])));
    commands.extend(dockerfile().lines().filter_map(|line| {
        let (_, command) = line.split_once("CMD ")?;
        serde_json::from_str(command).ok()
    }));
    assert_eq!(commands.len(), 9 + 4 + 2, "{commands:?}");
    for command in commands {
        assert!(SERVICES.map(program).contains(&command[0]), "there is no {}", command[0]);
        let line = if command.iter().any(|word| word == "job") {
            quittance_payouts::command::command_line()
        } else {
            run::command_line()
        };
        let said = line.try_get_matches_from(&command);
        said.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    }
    for container in ours() {
        let expected = match container.owner.as_str() {
            "process-schedules" => vec!["job", "process-schedules"],
            "process-escrow" => vec!["job", "process-escrow"],
            owner if owner.ends_with("-migrate") => vec!["migrate"],
            _ => vec!["serve"],
        };
        assert_eq!(container.command[1..], expected, "{}", container.owner);
    }
}

#[test]
fn the_image_holds_every_program() {
    let file = dockerfile();
    for name in SERVICES.map(program).iter().map(String::as_str).chain(["quittance"]) {
        assert!(words_of(&file).any(|word| word == format!("target/release/{name}")), "{name}");
        let built = file.contains(&format!("--package {name} "))
            || file.contains(&format!("--package {name}\\"));
        assert!(built, "{name} is not built");
    }
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn ports_are_those_that_the_programs_listen_on() {
    let defaults = Config::default();
    for container in ours().iter().filter(|c| SERVICES.contains(&c.owner.as_str())) {
        let service = container.owner.as_str();
        let config = deployed("production", container);
        let port = port(&config, service);
        assert_eq!(port, self::port(&defaults, service), "the usual port of {service}");
        let probes = config.metrics.listen.unwrap();
        assert!(probes.ip().is_unspecified(), "probes come from outside of the pod");
        let name = if service == "gateway" { "http" } else { "grpc" };
        let named = BTreeMap::from([(name.to_owned(), port), ("probes".to_owned(), probes.port())]);
        assert_eq!(container.ports(), named, "{service}");

        let documents = yaml(&format!("k8s/base/{service}.yaml"));
        let found = documents.iter().find(|document| document["kind"] == "Service").unwrap();
        let at = &found["spec"]["ports"][0];
        assert_eq!((&at["port"], &at["targetPort"]), (&Value::from(port), &Value::from(name)));

        let policies = yaml("k8s/base/network.yaml");
        let policy = policies.iter().find(|p| p["metadata"]["name"] == service).unwrap();
        let allowed = &policy["spec"]["ingress"][0]["ports"];
        assert_eq!(*allowed, serde_json::json!([{"port": port}]), "{service}");
        let url = match service {
            "issues" => &config.issues.url,
            "payouts" => &config.payouts.url,
            "balance" => &config.balance.url,
            _ => continue,
        };
        // In production the services talk by mutual TLS.
        assert_eq!(*url, format!("https://{service}:{port}"));
        let plain = deployed("dev", container);
        let plain = [&plain.issues.url, &plain.payouts.url, &plain.balance.url];
        assert!(plain.contains(&&format!("http://{service}:{port}")));
    }
    for service in SERVICES {
        let variables = read::compose_variables(service);
        let config = Config::load_with(None, variables.into_iter().collect()).unwrap();
        assert_eq!(port(&config, service), port(&defaults, service), "{service}");
        let probes = config.metrics.listen.unwrap().port();
        assert!(text("deploy/prometheus.yaml").contains(&format!("\"{service}:{probes}\"")));
    }
}

#[test]
fn probes_ask_what_is_served_and_a_pod_leaves_in_peace() {
    let served = text("crates/chassis/src/telemetry/probes.rs");
    for container in ours().iter().filter(|c| SERVICES.contains(&c.owner.as_str())) {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let get = &container.spec[probe]["httpGet"];
            let path = get["path"].as_str().unwrap();
            assert!(served.contains(&format!("route(\"{path}\"")), "{path} is not served");
            assert_eq!(get["port"], "probes");
        }
        // What a service depends on is not its life.
        assert_eq!(container.spec["livenessProbe"]["httpGet"]["path"], "/healthz");
        let pause = container.spec["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        let grace = container.pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        // 20 s of drain and 5 s of lingering work.
        assert!(pause > 0 && grace >= pause + 20 + 5, "{}", container.name);
        assert!(container.pod["topologySpreadConstraints"].is_array());
    }
}

#[test]
fn nothing_runs_as_root_or_writes_its_own_files_or_grows_without_end() {
    let mut count = 0;
    for folder in ["k8s/base", "k8s/overlays/dev", "k8s/overlays/production"] {
        for pod in pods(folder) {
            let security = &pod.spec["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{}", pod.owner);
            assert!(security["runAsUser"].as_u64().unwrap() > 0, "{}", pod.owner);
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{}", pod.owner);
            assert_eq!(pod.spec["automountServiceAccountToken"], false, "{}", pod.owner);
        }
        for container in containers(folder) {
            count += 1;
            let (name, spec) = (&container.name, &container.spec);
            let security = &spec["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]), "{name}");
            for limit in ["requests", "limits"] {
                assert!(spec["resources"][limit]["memory"].is_string(), "{name}: {limit}");
                assert!(spec["resources"][limit]["cpu"].is_string(), "{name}: {limit}");
            }
        }
    }
    assert!(count >= 11, "the containers were not found");
    let compose = read::compose();
    for service in SERVICES {
        let service = &compose["services"][service];
        assert_eq!(service["read_only"], true);
        assert_eq!(service["user"], "65532:65532");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]));
    }
    let file = dockerfile();
    let image = file.rsplit("\nFROM ").next().unwrap();
    assert!(image.contains("\nUSER 65532:65532\n") && image.contains("\nHEALTHCHECK "));
}

/// S2-40, S2-41 and S2-42: the same limits for both, an hour apart.
#[test]
fn the_jobs_run_as_the_programmes_want_them() {
    let documents = yaml("k8s/base/jobs.yaml");
    let jobs: Vec<_> = documents.iter().filter(|job| job["kind"] == "CronJob").collect();
    let when = |job: &Value| (job["metadata"]["name"].clone(), job["spec"]["schedule"].clone());
    let expected = [("process-schedules", "0 2 * * *"), ("process-escrow", "0 3 * * *")]
        .map(|(name, at)| (Value::from(name), Value::from(at)));
    assert_eq!(jobs.iter().map(|job| when(job)).collect::<Vec<_>>(), expected);
    for job in jobs {
        let spec = &job["spec"];
        assert_eq!(spec["timeZone"], "Etc/UTC");
        assert_eq!(spec["concurrencyPolicy"], "Forbid");
        assert!(spec["startingDeadlineSeconds"].as_u64().unwrap() > 0);
        assert_eq!(spec["successfulJobsHistoryLimit"], 3);
        assert_eq!(spec["failedJobsHistoryLimit"], 3);
        let made = &spec["jobTemplate"]["spec"];
        assert_eq!(made["activeDeadlineSeconds"], 600);
        let pod = &made["template"]["spec"];
        assert_eq!(pod["restartPolicy"], "Never");
        let resources = &pod["containers"][0]["resources"];
        let (least, most) = (&resources["requests"], &resources["limits"]);
        assert_eq!((&least["memory"], &most["memory"]), (&"256Mi".into(), &"512Mi".into()));
        assert_eq!((&least["cpu"], &most["cpu"]), (&"250m".into(), &"500m".into()));
    }
}

#[test]
fn traffic_is_denied_unless_it_is_named() {
    let policies = yaml("k8s/base/network.yaml");
    let deny = policies.iter().find(|p| p["metadata"]["name"] == "default-deny").unwrap();
    let all = serde_json::json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    assert_eq!(deny["spec"], all);
    let callers = |service: &str| {
        let policy = policies.iter().find(|p| p["metadata"]["name"] == service).unwrap();
        let from = &policy["spec"]["ingress"][0]["from"][0]["podSelector"];
        list(&from["matchExpressions"][0]["values"])
    };
    assert_eq!(callers("issues"), ["gateway", "payouts", "balance"]);
    assert_eq!(callers("payouts"), ["gateway", "balance"]);
    assert_eq!(callers("balance"), ["gateway"]);
}

#[test]
fn secrets_come_from_elsewhere() {
    let secret: BTreeSet<String> = Config::keys()
        .into_iter()
        .filter(|entry| entry.secret)
        .map(|entry| format!("QUITTANCE__{}", entry.path.replace('.', "__").to_uppercase()))
        .collect();
    for container in ours() {
        for variable in container.spec["env"].as_array().unwrap() {
            if secret.contains(variable["name"].as_str().unwrap()) {
                let composed =
                    variable["value"].as_str().is_some_and(|v| v.contains("$(BUS_PASSWORD)"));
                assert!(
                    composed || variable["valueFrom"]["secretKeyRef"].is_object(),
                    "{variable}"
                );
            }
        }
    }
    for file in ["base", "overlays/dev", "overlays/production"] {
        let literals = read::literals(&format!("k8s/{file}/kustomization.yaml"));
        assert!(literals.keys().all(|name| !secret.contains(name)), "{file}");
    }
    for service in SERVICES {
        for (name, value) in read::compose_variables(service) {
            assert!(!secret.contains(&name) || value.contains("${"), "{name}");
        }
    }
    let unset = text("deploy/.env.example");
    assert!(unset.lines().all(|line| line.starts_with('#') || line.ends_with('=')));
}

#[test]
fn every_secret_that_is_asked_for_has_a_template_without_a_value() {
    for overlay in OVERLAYS {
        let mut there = BTreeSet::new();
        for template in yaml(&format!("k8s/secrets/{overlay}.yaml")) {
            let name = template["metadata"]["name"].as_str().unwrap();
            for (key, value) in template["stringData"].as_object().unwrap() {
                assert_eq!(value, TEMPLATE, "{overlay}: {name}");
                there.insert((name.to_owned(), key.clone()));
            }
        }
        if overlay == "production" {
            there.extend(MADE.map(|(name, key)| (name.to_owned(), key.to_owned())));
        }
        let mut asked = BTreeSet::new();
        for folder in ["k8s/base", &format!("k8s/overlays/{overlay}")] {
            for (_, document) in read::all(folder) {
                assert!(document["kind"] != "Secret", "{folder} holds a secret");
                read::asked(&document, &mut asked);
            }
        }
        assert_eq!(there, asked.union(&there).cloned().collect(), "{overlay}: without a template");
        assert!(asked.len() >= 6, "{overlay}");
    }
}
