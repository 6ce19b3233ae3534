//! Members are told what happens to their work: in their inbox, over a stream, by mail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures_util::{Stream, StreamExt as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use system_tests::http::Person;
use system_tests::story::{Shop, id, payment};
use system_tests::world::{BOTH, SECRET, World, eventually};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One server-sent event.
#[derive(Debug)]
struct Told {
    id: String,
    kind: String,
    data: Value,
}

/// An open stream of events, read piece by piece.
struct Listening {
    pieces: std::pin::Pin<Box<dyn Stream<Item = String> + Send>>,
    text: String,
}

impl Listening {
    /// Opens a stream and waits until it stands.
    async fn open(who: &Person, last: Option<&str>) -> Self {
        let mut request = who.request(reqwest::Method::GET, "/api/events/stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let pieces = reply.bytes_stream();
        let pieces = pieces.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap());
        let mut listening = Self { pieces: Box::pin(pieces), text: String::new() };
        let opening = listening.block().await.unwrap();
        assert!(opening.contains(": open") || opening.contains(":open"), "{opening}");
        listening
    }

    /// The text up to the next empty line; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.pieces.next()).await;
            self.text.push_str(&piece.expect("the stream speaks or ends")?);
        }
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start_matches([':', ' ']).to_owned())
            };
            let Some(id) = field("id") else { continue };
            let data = serde_json::from_str(&field("data").unwrap()).unwrap();
            return Some(Told { id, kind: field("event").unwrap(), data });
        }
    }
}

/// A token of this person that is good for so many seconds.
fn short(who: &Person, seconds: u64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({
        "sub": who.member_id, "org": who.organization_id, "roles": ["member"],
        "exp": now + seconds,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reporter_hears_of_verification_approval_and_payment_once_across_streams() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let tester = &shop.tester;
        let mut stream = Listening::open(tester, None).await;
        let issue = shop.file(tester, "high").await;
        for status in ["triaged", "verified"] {
            let body = json!({ "status": status });
            let _ = shop.admin.patch(&shop.issue_path(&issue), body).await.expect(200);
        }
        let verified = stream.next().await.unwrap();
        assert_eq!(
            (verified.kind.as_str(), &verified.data["issueId"]),
            ("ISSUE_VERIFIED", &json!(issue))
        );
        drop(stream);

        // Nobody listens meanwhile.
        shop.approve(&issue).await;
        let _ = shop.admin.post(&shop.payments_path(&issue), payment()).await.expect(201);
        let mut stream = Listening::open(tester, Some(&verified.id)).await;
        let approved = stream.next().await.unwrap();
        assert_eq!(approved.kind, "ISSUE_APPROVED");
        assert_eq!(approved.data["data"]["amountMinor"], json!(800_000));
        let paid = stream.next().await.unwrap();
        assert_eq!(paid.kind, "ISSUE_PAID");
        assert_eq!(paid.data["data"]["reference"], json!("KASPI-1"));

        let inbox = tester.get("/api/me/notifications").await.expect(200);
        let ids: Vec<_> =
            inbox["items"].as_array().unwrap().iter().map(|told| &told["id"]).collect();
        assert_eq!(ids, [&json!(paid.id), &json!(approved.id), &json!(verified.id)]);
        let count = "/api/me/notifications/unread-count";
        assert_eq!(tester.get(count).await.expect(200)["unreadCount"], json!(3));
        let read = "/api/me/notifications/read";
        let marked = tester.post(read, json!({ "ids": [paid.id] })).await.expect(200);
        assert_eq!(marked, json!({ "markedCount": 1, "unreadCount": 2 }));
        let unread = tester.get("/api/me/notifications?unreadOnly=true").await.expect(200);
        assert_eq!(unread["items"].as_array().unwrap().len(), 2);
        // Nobody else sees or marks them.
        assert_eq!(shop.admin.get("/api/me/notifications").await.expect(200)["items"], json!([]));
        let foreign = shop.admin.post(read, json!({ "ids": [approved.id] })).await.expect(200);
        assert_eq!(foreign["markedCount"], json!(0));
        let marked = tester.post(read, json!({ "all": true })).await.expect(200);
        assert_eq!(marked, json!({ "markedCount": 2, "unreadCount": 0 }));
        tester.post(read, json!({})).await.refused(400, "INVALID_FIELD");
        tester
            .post(read, json!({ "all": true, "ids": [paid.id] }))
            .await
            .refused(400, "INVALID_FIELD");

        let bad = tester.request(reqwest::Method::GET, "/api/events/stream");
        let bad = system_tests::http::answer(bad.header("last-event-id", "7")).await.unwrap();
        bad.refused(400, "INVALID_FIELD");

        // A stream ends with its token.
        let brief = tester.with_token(&short(tester, 2));
        let mut ending = Listening::open(&brief, None).await;
        assert!(ending.next().await.is_none());

        // Streams that are open do not hold up the end.
        let stopping = Instant::now();
        world.close().await;
        assert!(stopping.elapsed() < Duration::from_secs(15), "{:?}", stopping.elapsed());
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_keep_no_work_out() {
    const PLACES: u32 = 4;
    for (store, bus) in BOTH {
        let world = World::start_with(store, bus, |config| {
            (config.grpc.max_in_flight, config.grpc.max_standing) = (PLACES, PLACES);
        })
        .await;
        let shop = Shop::open(&world).await;
        let mut streams = Vec::new();
        for _ in 0..PLACES {
            streams.push(Listening::open(&shop.tester, None).await);
        }
        let one_more = shop.tester.get("/api/events/stream").await;
        assert_eq!(one_more.code(), "OVERLOADED", "{}", one_more.text);
        let issue = shop.file(&shop.tester, "high").await;
        shop.approve(&issue).await;
        for stream in &mut streams {
            assert_eq!(stream.next().await.unwrap().kind, "ISSUE_APPROVED");
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_hears_of_each_step_of_a_payout_once() {
    const PAYOUTS: &str = "/api/admin/payouts";
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let made = |minor: i64| {
            let body = json!({ "partnerId": shop.tester.member_id, "amountMinor": minor,
                "currency": "USD", "period": "2026-02", "notes": "" });
            async { id(&shop.admin.post(PAYOUTS, body).await.expect(201)) }
        };
        let step = async |payout: &str, step: &str, body: Value| {
            shop.admin.post(&format!("{PAYOUTS}/{payout}/{step}"), body).await.expect(200)
        };
        let paid = made(500_000).await;
        step(&paid, "approve", json!({})).await;
        step(&paid, "mark-paid", json!({ "method": "ach", "reference": "ACH-7" })).await;
        let refused = made(700).await;
        step(&refused, "reject", json!({ "notes": "counted twice" })).await;

        let told = async || {
            let inbox = shop.tester.get("/api/me/notifications").await.expect(200);
            inbox["items"].as_array().unwrap().clone()
        };
        eventually("three are told", async || (told().await.len() == 3).then_some(())).await;
        let mut told = told().await;
        told.sort_by_key(|one| one["kind"].to_string());
        let read = |at: usize, name: &str| told[at]["data"][name].clone();
        let titles: Vec<_> = told.iter().map(|one| one["title"].as_str().unwrap()).collect();
        assert_eq!(
            titles,
            [
                "Payout approved: 5000.00 USD",
                "Payout paid: 5000.00 USD",
                "Payout rejected: 7.00 USD"
            ]
        );
        assert_eq!((read(1, "payoutId"), read(1, "reference")), (json!(paid), json!("ACH-7")));
        assert_eq!(
            (read(2, "payoutId"), read(2, "reason")),
            (json!(refused), json!("counted twice"))
        );
        // The reporter of an issue is told of the issue alone.
        let issue = shop.file(&shop.tester, "high").await;
        shop.approve(&issue).await;
        let _ = shop.admin.post(&shop.payments_path(&issue), payment()).await.expect(201);
        let kinds = async || {
            let inbox = shop.tester.get("/api/me/notifications").await.expect(200);
            let items = inbox["items"].as_array().unwrap().clone();
            items.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let heard = async || kinds().await.contains(&"ISSUE_PAID".to_owned()).then_some(());
        eventually("the issue is paid", heard).await;
        assert_eq!(kinds().await.iter().filter(|kind| *kind == "PAYOUT_PAID").count(), 1);
        world.close().await;
    }
}

/// A mail server that keeps what it is sent. One recipient is refused for good.
async fn sink() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let letters = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&letters);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&kept)));
        }
    });
    (port, letters)
}

async fn converse(stream: TcpStream, kept: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match word.as_str() {
            "RCPT" if line.contains("refused@") => "550 no such user",
            "EHLO" | "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.unwrap();
                let mut letter = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    letter.push_str(&line);
                    letter.push('\n');
                }
                kept.lock().unwrap().push(letter);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "502 what",
        };
        if write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_notification_is_mailed_once() {
    for (store, bus) in BOTH {
        let (port, letters) = sink().await;
        let world = World::start_with(store, bus, |config| {
            config.mail.smtp_url = Some(SecretString::from(format!("smtp://127.0.0.1:{port}")));
            config.mail.from = "Quittance <pay@quittance.example>".to_owned();
        })
        .await;
        let shop = Shop::open(&world).await;
        let refused = shop.person("refused@shop.example", &["member"]).await;
        let lost = shop.file(&refused, "low").await;
        shop.approve(&lost).await;
        let issues = shop.approved(2).await;
        let body = system_tests::story::batch(&shop.tester, &issues);
        let _ = shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);
        let inbox = eventually("the payments to be told", || async {
            let inbox = shop.tester.get("/api/me/notifications").await.expect(200);
            (inbox["items"].as_array().unwrap().len() == 4).then_some(inbox)
        })
        .await;
        eventually("four letters", || async { (4 <= letters.lock().unwrap().len()).then_some(()) })
            .await;
        world.close().await;

        let letters = letters.lock().unwrap().clone();
        assert_eq!(letters.len(), 4, "{letters:#?}");
        let ids = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
            line.unwrap().split('@').next().unwrap().to_owned()
        };
        let mailed: BTreeSet<String> = letters.iter().map(|letter| ids(letter)).collect();
        let told: BTreeSet<String> = inbox["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|told| told["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(mailed, told);
        for letter in &letters {
            assert!(letter.contains("From: Quittance <pay@quittance.example>"), "{letter}");
            assert!(letter.contains("To: tester@shop.example"), "{letter}");
            assert!(letter.contains("Amount: 8000.00 KZT"), "{letter}");
        }
        assert_eq!(letters.iter().filter(|letter| letter.contains("Subject: Paid: ")).count(), 2);
    }
}
