//! Bounties of stories: offered, handed in, approved and paid.

use serde_json::{Value, json};

use crate::check::{Books, number};
use crate::http::Person;
use crate::story::{Shop, id};
use crate::world::{World, eventually};

/// Says where somebody is paid by the provider.
pub async fn account(who: &Person, account: &str) {
    let body = json!({ "method": "stripe", "accountId": account });
    let _ = who.put("/api/me/payout-account", body).await.expect(200);
}

/// Offers work for money.
pub async fn fixed(shop: &Shop, product: &str, title: &str, minor: i64, more: &Value) -> Value {
    let mut body = json!({ "title": title, "rewardType": "FIXED_PAYMENT", "valueMinor": minor });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    shop.admin.post(&format!("/api/products/{product}/bounties"), body).await.expect(201)
}

/// Hands work in, and returns its issue.
pub async fn hand_in(who: &Person, bounty: &Value) -> String {
    let path = format!("/api/bounties/{}/submissions", id(bounty));
    id(&who.post(&path, json!({ "description": "Done" })).await.expect(201))
}

/// Approves a submission.
pub async fn approve(shop: &Shop, issue: &str, body: Value) -> Value {
    shop.admin.post(&format!("/api/submissions/{issue}/approve"), body).await.expect(200)
}

/// Waits until the payment of a submission has come so far.
pub async fn payment(shop: &Shop, issue: &str, status: &str) -> Value {
    let path = format!("/api/submissions/{issue}/payment");
    eventually(&format!("a payment that is {status}"), || async {
        let seen = shop.admin.get(&path).await.expect(200)["payout"].clone();
        (seen["status"] == status).then_some(seen)
    })
    .await
}

/// Names the card that pays for the product of a shop.
pub async fn payer(shop: &Shop, card: &str) {
    let path = format!("/api/products/{}/payer", shop.product);
    let body = json!({ "paymentMethodId": card });
    let _ = shop.admin.put(&path, body).await.expect(200);
}

/// A submission of a bounty of $500, by somebody with this account.
pub async fn submitted(shop: &Shop, name: &str, to: Option<&str>) -> (Person, String) {
    let who = shop.person(&format!("{name}@shop.example"), &["member"]).await;
    if let Some(to) = to {
        account(&who, to).await;
    }
    let bounty = fixed(shop, &shop.product, "Fix it", 50_000, &json!({})).await;
    let issue = hand_in(&who, &bounty).await;
    (who, issue)
}

/// What the provider has in its own books.
pub async fn moved(world: &World) -> (i64, i64) {
    let books = Books::open(&world.config).await;
    let charged = "SELECT count(*) FROM sandbox_charges WHERE state = 'succeeded'";
    let sent = "SELECT count(*) FROM sandbox_transfers WHERE moved";
    (number(&books.payouts, charged).await, number(&books.payouts, sent).await)
}
