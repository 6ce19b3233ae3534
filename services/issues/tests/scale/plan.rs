//! Hearing the plans that PostgreSQL tells, and judging them.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Collects the plans of statements about issues.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<Plan>>>);

impl Ear {
    /// Listens to what the driver passes on from the server, in this whole process.
    pub(crate) fn listen() -> Self {
        let ear = Self::default();
        let subscriber = tracing_subscriber::registry().with(ear.clone());
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
        ear
    }

    /// The plans heard since the last time.
    pub(crate) fn take(&self) -> Vec<Plan> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::postgres::notice" {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let plan = message.0.split_once("plan:").and_then(|(_, json)| Plan::read(json));
        self.0.lock().unwrap().extend(plan.filter(Plan::is_about_issues));
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// An executed plan: what it was asked, and what each node did.
pub(crate) struct Plan(Value);

impl Plan {
    fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json.trim()).ok().map(Self)
    }

    fn nodes(&self) -> Vec<&Value> {
        let mut nodes = vec![&self.0["Plan"]];
        let mut next = 0;
        while let Some(node) = nodes.get(next).copied() {
            nodes.extend(node["Plans"].as_array().into_iter().flatten());
            next += 1;
        }
        nodes
    }

    fn is_about_issues(&self) -> bool {
        self.nodes().into_iter().any(on_issues)
    }

    /// Whether it reads the table from one end to the other.
    pub(crate) fn scans_all(&self) -> bool {
        self.nodes().into_iter().any(|node| on_issues(node) && node["Node Type"] == "Seq Scan")
    }

    /// The most rows or index entries of issues that one of its nodes has looked at.
    pub(crate) fn touched(&self) -> u64 {
        self.nodes().into_iter().filter(|node| on_issues(node)).map(rows).max().unwrap_or_default()
    }

    /// What a person needs to see what is wrong.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("  {}\n", self.0["Query Text"].as_str().unwrap_or_default());
        for node in self.nodes() {
            let name = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
            let (kind, table, index) =
                (name("Node Type"), name("Relation Name"), name("Index Name"));
            let _ =
                writeln!(text, "  {kind} {table} {index}: {} rows {}", rows(node), name("Filter"));
        }
        text
    }
}

fn on_issues(node: &Value) -> bool {
    let index = node["Index Name"].as_str().unwrap_or_default();
    node["Relation Name"] == "issues" || index.starts_with("issues_")
}

fn rows(node: &Value) -> u64 {
    let number = |key: &str| node[key].as_u64().unwrap_or_default();
    let once = number("Actual Rows")
        + number("Rows Removed by Filter")
        + number("Rows Removed by Index Recheck");
    once * number("Actual Loops")
}
