//! The client against a server that keeps keys as Stripe does, over HTTP.

use std::time::Duration;

use quittance_kernel::{Currency, PayoutId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::onboarding::{ProviderError, Standing};

const TOLD: &str = "sk_test_not_to_be_told";

struct Side {
    stripe: Stripe,
    base: String,
}

impl Side {
    async fn start() -> Self {
        quittance_chassis::run::install_tls();
        let base = format!("http://{}", fake_stripe::start().await.unwrap());
        Self { stripe: connected(&base, TOLD), base }
    }

    async fn get(&self, path: &str) -> Value {
        let reply = reqwest::get(format!("{}{path}", self.base)).await.unwrap();
        serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}{path}", self.base)).json(&body);
        let reply = request.send().await.unwrap();
        serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap()
    }

    /// How many objects of a kind were made.
    async fn made(&self, kind: &str) -> usize {
        let all = self.get("/_made").await;
        all.as_array().unwrap().iter().filter(|object| object["object"] == kind).count()
    }
}

fn config(base: &str, key: &str) -> Config {
    let mut config = Config::default();
    config.rails.stripe.secret_key = Some(SecretString::from(key));
    config.rails.stripe.base_url = Some(base.to_owned());
    config.rails.stripe.timeout_ms = 1_000;
    config
}

fn connected(base: &str, key: &str) -> Stripe {
    Stripe::from_config(&config(base, key)).unwrap().unwrap()
}

fn usd(minor: i64) -> Money {
    Money::signed(minor, Currency::USD)
}

fn transfer(account: &str) -> Transfer {
    Transfer {
        attempt: Uuid::now_v7(),
        payout: PayoutId::new(),
        account: account.to_owned(),
        amount: usd(50_000),
        charge: None,
    }
}

fn charge(payment_method: &str) -> Charge {
    Charge {
        attempt: Uuid::now_v7(),
        customer: String::new(),
        payment_method: payment_method.to_owned(),
        amount: usd(56_674),
        group: Uuid::now_v7().to_string(),
    }
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Declined { code } | Answer::Retryable { code } => code,
        Answer::Sent { .. } | Answer::Unknown => "",
    }
}

#[tokio::test]
async fn a_transfer_is_told_in_full_and_moves_once_per_key() {
    let side = Side::start().await;
    let transfer = transfer("acct_ok_1");
    assert_eq!(side.stripe.ask(&transfer).await, Asked::NeverArrived);
    let answer = side.stripe.send(&transfer).await;
    let Answer::Sent { reference } = &answer else { panic!("{answer:?}") };
    assert!(reference.starts_with("tr_"));
    assert_eq!(side.stripe.send(&transfer).await, answer);
    assert_eq!(side.stripe.ask(&transfer).await, Asked::Known(answer));
    assert_eq!(side.made("transfer").await, 1);
    let calls = side.get("/_calls").await;
    let sent = calls.as_array().unwrap().iter().find(|call| call["method"] == "POST").unwrap();
    assert_eq!((&sent["path"], &sent["version"]), (&json!("transfers"), &json!(VERSION)));
    assert_eq!(sent["key"], transfer.attempt.to_string());
    let expected = json!({
        "amount": "50000", "currency": "usd", "destination": "acct_ok_1",
        "transfer_group": transfer.payout.to_string(),
        "metadata[attempt]": transfer.attempt.to_string(),
        "metadata[payout]": transfer.payout.to_string(),
    });
    assert_eq!(sent["params"], expected);
    assert!(!calls.to_string().contains(TOLD));
}

/// Whatever goes wrong: the answer never claims what it cannot know, and asking, or sending again
/// what never arrived, ends in one transfer.
#[tokio::test]
async fn every_behaviour_of_the_provider_ends_in_one_transfer() {
    let side = Side::start().await;
    for (word, first) in [
        ("ok", "sent"),
        ("slow", "sent"),
        ("busy", "sent"),
        ("500before", "unknown"),
        ("500after", "unknown"),
        ("timeoutbefore", "unknown"),
        ("timeoutafter", "unknown"),
        ("garbledbefore", "unknown"),
        ("garbled", "unknown"),
    ] {
        let transfer = transfer(&format!("acct_{word}_1"));
        let answer = side.stripe.send(&transfer).await;
        let is = match &answer {
            Answer::Sent { .. } => "sent",
            Answer::Unknown => "unknown",
            Answer::Declined { .. } | Answer::Retryable { .. } => "failed",
        };
        assert_eq!(is, first, "{word}: {answer:?}");
        let known = match side.stripe.ask(&transfer).await {
            Asked::Known(answer) => answer,
            Asked::NeverArrived => side.stripe.send(&transfer).await,
            Asked::Unclear => panic!("{word} is unclear"),
        };
        assert!(matches!(known, Answer::Sent { .. }), "{word}: {known:?}");
        let group = transfer.group();
        let all = side.get("/_made").await;
        let of = |one: &&Value| one["object"] == "transfer" && one["transfer_group"] == group;
        assert_eq!(all.as_array().unwrap().iter().filter(of).count(), 1, "{word}");
    }
}

#[tokio::test]
async fn a_failure_that_is_stored_under_the_key_is_waited_out() {
    let side = Side::start().await;
    let transfer = transfer("acct_500saved_1");
    for _ in 0..3 {
        assert_eq!(side.stripe.send(&transfer).await, Answer::Unknown);
        assert_eq!(side.stripe.ask(&transfer).await, Asked::NeverArrived);
    }
    assert_eq!(side.made("transfer").await, 0);
}

#[tokio::test]
async fn what_is_refused_for_good_or_for_now_is_told_apart() {
    let side = Side::start().await;
    let answer = side.stripe.send(&transfer("acct_decline_1")).await;
    assert_eq!(answer, Answer::Declined { code: "account_invalid".to_owned() });
    let poor = side.stripe.send(&transfer("acct_poor_1")).await;
    assert_eq!(poor, Answer::Retryable { code: "balance_insufficient".to_owned() });
    let stranger = connected(&side.base, "rk_test_or_not").send(&transfer("acct_ok_1")).await;
    assert_eq!(code(&stranger), "key_refused");
    // Another request under a key that was used is never taken for the first one's answer.
    let sent = transfer("acct_ok_1");
    side.stripe.send(&sent).await;
    let other = Transfer { amount: usd(1), ..sent };
    assert_eq!(side.stripe.send(&other).await, Answer::Unknown);
    let nobody = connected("http://127.0.0.1:1", TOLD).send(&other).await;
    assert_eq!(nobody, Answer::Unknown);
    assert_eq!(side.made("transfer").await, 1);
}

#[tokio::test]
async fn a_payer_is_charged_once_and_the_transfer_is_tied_to_the_charge() {
    let side = Side::start().await;
    for (word, first) in [
        ("ok", "succeeded"),
        ("slow", "succeeded"),
        ("busy", "succeeded"),
        ("500before", "unknown"),
        ("500after", "unknown"),
        ("timeoutbefore", "unknown"),
        ("timeoutafter", "unknown"),
        ("garbledbefore", "unknown"),
        ("garbled", "unknown"),
    ] {
        let charge = charge(&format!("pm_{word}_1"));
        assert_eq!(side.stripe.ask_charge(&charge).await, AskedCharge::NeverArrived, "{word}");
        let charged = side.stripe.charge(&charge).await;
        let is = if charged == Charged::Unknown { "unknown" } else { "succeeded" };
        assert_eq!(is, first, "{word}: {charged:?}");
        let known = match side.stripe.ask_charge(&charge).await {
            AskedCharge::Known(charged) => charged,
            AskedCharge::NeverArrived => side.stripe.charge(&charge).await,
            AskedCharge::Unclear => panic!("{word} is unclear"),
        };
        let Charged::Succeeded { reference } = known else { panic!("{word}: {known:?}") };
        assert!(reference.starts_with("ch_"), "{reference}");
        let tied = Transfer { charge: Some(reference), ..transfer("acct_ok_1") };
        assert!(matches!(side.stripe.send(&tied).await, Answer::Sent { .. }), "{word}");
        // A second one would take other people's money.
        let twice = Transfer { attempt: Uuid::now_v7(), ..tied };
        assert!(matches!(side.stripe.send(&twice).await, Answer::Declined { .. }), "{word}");
    }
    assert_eq!(side.made("charge").await, 9);
    assert_eq!(side.made("transfer").await, 9);
}

#[tokio::test]
async fn a_declined_card_and_one_that_must_be_confirmed_take_nothing() {
    let side = Side::start().await;
    let declined = Charged::Declined { code: "insufficient_funds".to_owned() };
    let charge_declined = charge("pm_decline_1");
    assert_eq!(side.stripe.charge(&charge_declined).await, declined);
    let asked = side.stripe.ask_charge(&charge_declined).await;
    assert_eq!(asked, AskedCharge::Known(declined));

    let waiting = charge("pm_action_1");
    let Charged::NeedsAction { reference } = side.stripe.charge(&waiting).await else { panic!() };
    let asked = side.stripe.ask_charge(&waiting).await;
    assert_eq!(asked, AskedCharge::Known(Charged::NeedsAction { reference: reference.clone() }));
    assert_eq!(side.made("charge").await, 0);
    side.post(&format!("/_confirm/{reference}"), json!({})).await;
    let asked = side.stripe.ask_charge(&waiting).await;
    assert!(matches!(asked, AskedCharge::Known(Charged::Succeeded { .. })), "{asked:?}");

    let refused = charge("pm_action_2");
    let Charged::NeedsAction { reference } = side.stripe.charge(&refused).await else { panic!() };
    side.post(&format!("/_confirm/{reference}"), json!({ "outcome": "declined" })).await;
    let asked = side.stripe.ask_charge(&refused).await;
    assert!(matches!(asked, AskedCharge::Known(Charged::Declined { .. })), "{asked:?}");

    let loose = side.stripe.charge(&charge("pm_ok_loose")).await;
    assert_eq!(loose, Charged::Declined { code: "payment_method_without_customer".to_owned() });
}

#[tokio::test]
async fn what_is_given_back_is_given_back_once() {
    let side = Side::start().await;
    let charged = side.stripe.charge(&charge("pm_ok_1")).await;
    let Charged::Succeeded { reference } = charged else { panic!("{charged:?}") };
    let back = GiveBack { attempt: Uuid::now_v7(), reference, amount: usd(56_674) };
    let refunded = side.stripe.refund(&back).await;
    assert!(matches!(&refunded, Answer::Sent { reference } if reference.starts_with("re_")));
    // Also when the key is forgotten: it is looked for first.
    side.post("/_forget", json!({})).await;
    assert_eq!(side.stripe.refund(&back).await, refunded);

    let Answer::Sent { reference } = side.stripe.send(&transfer("acct_ok_1")).await else {
        panic!()
    };
    let back = GiveBack { attempt: Uuid::now_v7(), reference, amount: usd(50_000) };
    let reversed = side.stripe.reverse(&back).await;
    assert!(matches!(&reversed, Answer::Sent { reference } if reference.starts_with("trr_")));
    side.post("/_forget", json!({})).await;
    assert_eq!(side.stripe.reverse(&back).await, reversed);
    let more = GiveBack { attempt: Uuid::now_v7(), ..back };
    assert!(matches!(side.stripe.reverse(&more).await, Answer::Declined { .. }));
    assert_eq!((side.made("refund").await, side.made("transfer_reversal").await), (1, 1));
}

#[tokio::test]
async fn a_key_is_found_on_whatever_page_of_a_list_it_is() {
    let side = Side::start().await;
    let first = transfer("acct_ok_1");
    let answer = side.stripe.send(&first).await;
    for _ in 0..205 {
        let other = Transfer { attempt: Uuid::now_v7(), ..first.clone() };
        side.stripe.send(&other).await;
    }
    assert_eq!(side.stripe.ask(&first).await, Asked::Known(answer));
    let never = Transfer { attempt: Uuid::now_v7(), ..first };
    assert_eq!(side.stripe.ask(&never).await, Asked::NeverArrived);
}

#[tokio::test]
async fn an_account_is_opened_once_per_key_and_onboarded_by_its_owner() {
    let side = Side::start().await;
    let key = Uuid::now_v7();
    let owner = ("organization", "member");
    let opened = side.stripe.open_account(key, owner, Some("a@b.example")).await.unwrap();
    assert_eq!(side.stripe.open_account(key, owner, Some("a@b.example")).await.unwrap(), opened);
    assert_eq!(side.made("account").await, 1);
    let link = side.stripe.link_account(&opened).await.unwrap();
    assert!(link.url.contains(&opened));
    let seen = side.stripe.standing(&opened).await.unwrap();
    assert_eq!((seen.standing, seen.reason.as_str()), (Standing::Incomplete, "external_account"));
    side.post(&format!("/_accounts/{opened}"), json!({})).await;
    let seen = side.stripe.standing(&opened).await.unwrap();
    assert_eq!(seen.standing, Standing::Onboarded);
    let seen = side.stripe.standing("acct_missing_1").await.unwrap();
    assert_eq!(seen.standing, Standing::Missing);
    let refused = side.stripe.link_account("acct_missing_1").await;
    assert_eq!(refused, Err(ProviderError::Unavailable), "a key may lack the permission");
    let nobody = connected("http://127.0.0.1:1", TOLD);
    assert_eq!(nobody.standing(&opened).await, None);
    assert_eq!(nobody.link_account(&opened).await, Err(ProviderError::Unavailable));
}

#[tokio::test]
async fn a_payment_method_is_enrolled_with_a_customer_once() {
    let side = Side::start().await;
    let key = Uuid::now_v7();
    let customer = side.stripe.enrol(key, "pm_ok_loose", "product").await.unwrap();
    assert!(customer.starts_with("cus_fake"));
    assert_eq!(side.stripe.enrol(key, "pm_ok_loose", "product").await.unwrap(), customer);
    assert_eq!((side.made("customer").await, side.made("setup_intent").await), (1, 1));
    let declined = side.stripe.enrol(Uuid::now_v7(), "pm_decline_loose", "product").await;
    assert_eq!(declined, Err(ProviderError::Refused("card_declined".to_owned())));
    let action = side.stripe.enrol(Uuid::now_v7(), "pm_action_loose", "product").await;
    assert_eq!(action, Err(ProviderError::Refused("requires_action".to_owned())));
}

#[tokio::test]
async fn a_payer_confirms_on_one_page_and_is_charged_once() {
    let side = Side::start().await;
    let charge = charge("pm_action_1");
    let Charged::NeedsAction { reference } = side.stripe.charge(&charge).await else { panic!() };
    let page = side.stripe.confirmation(&charge, &reference).await.unwrap();
    assert!(page.as_deref().is_some_and(|url| url.starts_with("https://")), "{page:?}");
    assert_eq!(side.stripe.confirmation(&charge, &reference).await.unwrap(), page);
    side.post(&format!("/_confirm/{reference}"), json!({ "outcome": "declined" })).await;
    // What has failed is not begun anew.
    assert_eq!(side.stripe.confirmation(&charge, &reference).await.unwrap(), None);
    let asked = side.stripe.ask_charge(&charge).await;
    assert!(matches!(asked, AskedCharge::Known(Charged::Declined { .. })), "{asked:?}");
    assert_eq!((side.made("payment_intent").await, side.made("charge").await), (1, 0));
}

#[tokio::test]
async fn a_pause_that_stripe_asks_for_holds_for_all_calls() {
    let side = Side::start().await;
    side.stripe.pause_until(Instant::now() + Duration::from_mins(1));
    // Longer than we can wait: it is not called, and nobody says that it failed.
    assert_eq!(side.stripe.send(&transfer("acct_ok_1")).await, Answer::Unknown);
    assert_eq!(side.get("/_calls").await, json!([]));
}

#[test]
fn amounts_are_written_as_stripe_counts_them() {
    let form = |minor: i64, code: &str| {
        let money = Money::signed(minor, code.parse().unwrap());
        amount(Form::default(), money).map(|form| form.encoded())
    };
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(form(50_000, "USD"), is("amount=50000&currency=usd"));
    assert_eq!(form(500, "JPY"), is("amount=500&currency=jpy"));
    assert_eq!(form(5, "ISK"), is("amount=500&currency=isk"));
    assert_eq!(form(5_120, "KWD"), is("amount=5120&currency=kwd"));
    assert_eq!(form(5_124, "KWD"), None);
}

#[test]
fn a_key_is_for_its_mode_and_is_never_shown() {
    quittance_chassis::run::install_tls();
    let read = |key: &str, mode: Mode, base: Option<&str>| {
        let mut config = config("https://api.stripe.example", key);
        config.mode = mode;
        if let Some(base) = base {
            config.rails.stripe.base_url = Some(base.to_owned());
        }
        Stripe::from_config(&config)
    };
    assert!(read("sk_test_1", Mode::Development, None).unwrap().is_some());
    assert!(read("sk_live_1", Mode::Production, None).unwrap().is_some());
    assert!(read("sk_test_1", Mode::Production, None).unwrap().is_some());
    for key in ["sk_live_1", "rk_live_1"] {
        let refused = read(key, Mode::Development, None).unwrap_err().to_string();
        assert!(refused.contains("live key") && !refused.contains(key), "{refused}");
    }
    for (key, base) in [("sk_live_1", "http://stripe.example"), ("sk_live_1", "nonsense")] {
        assert!(read(key, Mode::Production, Some(base)).is_err());
    }
    assert!(read("sk live", Mode::Production, None).is_err());
    assert!(Stripe::from_config(&Config::default()).unwrap().is_none());
    let shown = format!("{:?}", read("sk_test_1", Mode::Development, None).unwrap());
    assert!(!shown.contains("sk_test"), "{shown}");
}
