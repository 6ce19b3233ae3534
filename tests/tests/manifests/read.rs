//! Reads the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path} is missing"))
}

/// Every text below these folders. A database that a run has left there is none.
pub(crate) fn texts(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The documents that name variables.
pub(crate) fn documents() -> Vec<(PathBuf, String)> {
    ["README.md", "docs/operations.md"].map(|path| (path.into(), text(path))).into()
}

/// Words as variables are made of.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn parse(path: &Path, text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn yaml(path: &str) -> Vec<Value> {
    parse(Path::new(path), &text(path))
}

/// Every document below a folder.
pub(crate) fn all(folder: &str) -> Vec<(PathBuf, Value)> {
    let documents = texts(&[folder]).into_iter().flat_map(|(path, text)| {
        let documents = parse(&path, &text);
        documents.into_iter().map(move |document| (path.clone(), document))
    });
    documents.collect()
}

pub(crate) fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn dockerfile() -> String {
    text("deploy/Dockerfile")
}

pub(crate) fn compose() -> Value {
    yaml("deploy/compose.yaml").remove(0)
}

/// The variables of a service in the compose file.
pub(crate) fn compose_variables(service: &str) -> BTreeMap<String, String> {
    let environment = &compose()["services"][service]["environment"];
    let environment = environment.as_object().unwrap().iter();
    environment.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// What the configuration map of a kustomization adds.
pub(crate) fn literals(path: &str) -> BTreeMap<String, String> {
    let kustomization = yaml(path).remove(0);
    let literals = list(&kustomization["configMapGenerator"][0]["literals"]);
    let pairs = literals.iter().map(|literal| literal.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a `Deployment`, `StatefulSet` or `Job` makes.
pub(crate) struct Pod {
    pub(crate) owner: String,
    pub(crate) spec: Value,
}

pub(crate) fn pods(folder: &str) -> Vec<Pod> {
    let documents = all(folder).into_iter().map(|(_, document)| document);
    let found = documents.filter_map(|document| {
        let kind = document["kind"].as_str()?;
        let runs = ["Deployment", "StatefulSet", "Job", "CronJob"].contains(&kind);
        runs.then(|| Pod {
            owner: document["metadata"]["name"].as_str().unwrap().to_owned(),
            spec: made_by(&document)["template"]["spec"].clone(),
        })
    });
    found.collect()
}

/// What holds the template of a pod. A `CronJob` makes jobs that make pods.
fn made_by(document: &Value) -> &Value {
    let template = &document["spec"]["jobTemplate"];
    if template.is_object() { &template["spec"] } else { &document["spec"] }
}

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) owner: String,
    pub(crate) name: String,
    /// The command with its arguments; empty for that of the image.
    pub(crate) command: Vec<String>,
    pub(crate) spec: Value,
    pub(crate) pod: Value,
}

pub(crate) fn containers(folder: &str) -> Vec<Container> {
    let mut found = Vec::new();
    for pod in pods(folder) {
        for spec in pod.spec["containers"].as_array().unwrap() {
            let parts = [&spec["command"], &spec["args"]];
            found.push(Container {
                owner: pod.owner.clone(),
                name: format!("{}/{}", pod.owner, spec["name"].as_str().unwrap()),
                command: parts.into_iter().filter(|part| part.is_array()).flat_map(list).collect(),
                spec: spec.clone(),
                pod: pod.spec.clone(),
            });
        }
    }
    found
}

impl Container {
    pub(crate) fn is_ours(&self) -> bool {
        self.spec["image"] == "quittance"
    }

    pub(crate) fn ports(&self) -> BTreeMap<String, u16> {
        let ports = self.spec["ports"].as_array().unwrap().iter();
        let named = ports.map(|port| {
            let number = port["containerPort"].as_u64().unwrap();
            (port["name"].as_str().unwrap().to_owned(), u16::try_from(number).unwrap())
        });
        named.collect()
    }

    /// The variables of its own; in place of a secret the stand-in.
    pub(crate) fn variables(&self, secret: &str) -> BTreeMap<String, String> {
        let variables = self.spec["env"].as_array().unwrap().iter();
        let named = variables.map(|variable| {
            let value = variable["value"].as_str().unwrap_or(secret);
            (variable["name"].as_str().unwrap().to_owned(), value.to_owned())
        });
        named.collect()
    }
}

/// Adds each (secret, key) that a document asks for, also those in patches.
pub(crate) fn asked(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let refers = ["secretKeyRef", "accessKeyId", "secretAccessKey"];
                if refers.contains(&name.as_str()) {
                    let part = |name: &str| value[name].as_str().unwrap().to_owned();
                    found.insert((part("name"), part("key")));
                } else if let (true, Some(patch)) = (name == "patch", value.as_str()) {
                    for patch in parse(Path::new("a patch"), patch) {
                        asked(&patch, found);
                    }
                } else {
                    asked(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| asked(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
