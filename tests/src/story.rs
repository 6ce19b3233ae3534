//! The people and the work that most stories begin with.

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::Person;
use crate::world::{World, eventually};

/// An organization with an admin, a tester, a product without a gate and an open cycle.
pub struct Shop {
    pub admin: Person,
    pub tester: Person,
    pub organization: String,
    pub product: String,
    pub cycle: String,
}

impl Shop {
    pub async fn open(world: &World) -> Self {
        Self::open_at(&world.base).await
    }

    /// Opens a shop of a fresh organization at a gateway.
    pub async fn open_at(base: &str) -> Self {
        let organization = format!("Shop {}", Uuid::new_v4().simple());
        let admin = Person::sign_in(base, &organization, "admin@shop.example", &["admin"]).await;
        let tester = Person::sign_in(base, &organization, "tester@shop.example", &["member"]).await;
        let product = admin.post("/api/products", json!({ "name": "Shop", "key": "SHP" })).await;
        let product = id(&product.expect(201));
        let cycle = json!({ "productId": product, "name": "First sweep" });
        let cycle = id(&admin.post("/api/test-cycles", cycle).await.expect(201));
        Self { admin, tester, organization, product, cycle }
    }

    /// The same shop at another address (after a restart).
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            admin: self.admin.at(base),
            tester: self.tester.at(base),
            organization: self.organization.clone(),
            product: self.product.clone(),
            cycle: self.cycle.clone(),
        }
    }

    /// Another member of the organization.
    pub async fn person(&self, email: &str, roles: &[&str]) -> Person {
        Person::sign_in(&self.admin.base, &self.organization, email, roles).await
    }

    pub async fn file(&self, by: &Person, severity: &str) -> String {
        self.file_in(&self.cycle, by, severity, "Payment fails on mobile Safari").await
    }

    pub async fn file_in(&self, cycle: &str, by: &Person, severity: &str, title: &str) -> String {
        let body = json!({ "title": title, "severity": severity });
        id(&by.post(&format!("/api/test-cycles/{cycle}/issues"), body).await.expect(201))
    }

    /// Approves an issue at the suggested amount.
    pub async fn approve(&self, issue: &str) {
        let body = json!({ "decisions": [{ "issueId": issue, "decision": "approve" }] });
        let done = self.admin.post("/api/admin/triage/decide", body).await.expect(200);
        assert_eq!(done["results"][0]["ok"], json!(true), "{done}");
    }

    /// Files and approves so many issues of the tester.
    pub async fn approved(&self, count: usize) -> Vec<String> {
        let filed = (0..count).map(|_| self.file(&self.tester, "high"));
        // One after the other, as people do, unless that would take too long.
        let at_once = if count > 100 { 16 } else { 1 };
        let issues: Vec<String> = stream::iter(filed).buffered(at_once).collect().await;
        for hundred in issues.chunks(100) {
            self.approve_all(hundred).await;
        }
        issues
    }

    /// Approves at most a hundred issues at once.
    pub async fn approve_all(&self, issues: &[String]) {
        let decisions: Vec<Value> =
            issues.iter().map(|issue| json!({ "issueId": issue, "decision": "approve" })).collect();
        let body = json!({ "decisions": decisions });
        let done = self.admin.post("/api/admin/triage/decide", body).await.expect(200);
        for result in done["results"].as_array().unwrap() {
            assert_eq!(result["ok"], json!(true), "{result}");
        }
    }

    #[must_use]
    pub fn issue_path(&self, issue: &str) -> String {
        format!("/api/test-cycles/{}/issues/{issue}", self.cycle)
    }

    #[must_use]
    pub fn payments_path(&self, issue: &str) -> String {
        format!("{}/payments", self.issue_path(issue))
    }

    /// Waits until the tester's balance shows so many accepted and so much earned.
    pub async fn balance_shows(&self, who: &Person, earned: i64, pending: i64) -> Value {
        eventually("the balance", || async {
            let balance = who.get("/api/me/balance").await.expect(200);
            let total = &balance["totals"][0];
            let seen = (amount(&total["earnedMinor"]), amount(&total["pendingMinor"]));
            (seen == (earned, pending)).then_some(balance)
        })
        .await
    }
}

fn amount(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The id of a created resource.
#[must_use]
pub fn id(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}

/// A batch of one group.
#[must_use]
pub fn batch(tester: &Person, issues: &[String]) -> Value {
    json!({ "groups": [{
        "testerId": tester.member_id, "issueIds": issues, "method": "kaspi", "reference": "KASPI-1",
    }] })
}

/// A manual payment.
#[must_use]
pub fn payment() -> Value {
    json!({ "method": "kaspi", "reference": "KASPI-1" })
}
