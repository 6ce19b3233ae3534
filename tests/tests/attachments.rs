//! Reporters show what they saw: links and files at their issues.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use reqwest::Method;
use serde_json::json;
use system_tests::http::{Answer, Person, answer};
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, World};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";

async fn upload(who: &Person, path: &str, name: &str, kind: &str, bytes: Vec<u8>) -> Answer {
    let request = who.request(Method::POST, &format!("{path}?name={name}"));
    answer(request.header("content-type", kind).body(bytes)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_filed_with_links_and_shows_them() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let path = format!("/api/test-cycles/{}/issues", shop.cycle);
        let body = |links| json!({ "title": "Crash", "severity": "high", "attachments": links });
        let links = json!([
            { "url": "https://example.com/shots/1.png" },
            { "url": "https://example.com/clip", "name": "The crash" },
        ]);
        let filed = shop.tester.post_once(&path, "file-1", &body(links.clone())).await.expect(201);
        assert_eq!(filed["attachments"][0]["name"], json!("1.png"));
        assert_eq!(filed["attachments"][1]["name"], json!("The crash"));
        let again = shop.tester.post_once(&path, "file-1", &body(links)).await.expect(201);
        assert_eq!(again, filed);
        let seen = shop.admin.get(&shop.issue_path(&id(&filed))).await.expect(200);
        assert_eq!(seen["attachments"], filed["attachments"]);
        let list = format!("{}/attachments", shop.issue_path(&id(&filed)));
        assert_eq!(shop.tester.get(&list).await.expect(200)["items"], filed["attachments"]);

        let refused = shop.tester.post(&path, body(json!([{ "url": "http://example.com" }]))).await;
        let problem = refused.refused(400, "INVALID_FIELD");
        assert_eq!(problem["errors"][0]["field"], json!("attachments[0].url"));
        let many = vec![json!({ "url": "https://example.com" }); 11];
        let refused = shop.tester.post(&path, body(json!(many))).await;
        assert_eq!(refused.refused(400, "INVALID_FIELD")["errors"][0]["field"], "attachments");

        // A link is no file of ours.
        let link = format!("{list}/{}", id(&filed["attachments"][0]));
        let _ = shop.tester.get(&link).await.refused(404, "ATTACHMENT_NOT_FOUND");
        assert_eq!(shop.tester.delete(&link).await.status, 204);
        let left = shop.tester.get(&list).await.expect(200);
        assert_eq!(left["items"].as_array().unwrap().len(), 1);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_back_as_it_was_sent_to_those_who_see_the_issue() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let (tester, issue) = (&shop.tester, shop.file(&shop.tester, "high").await);
        let path = format!("{}/attachments", shop.issue_path(&issue));
        // Longer than what is held in memory of one upload.
        let bytes: Vec<u8> =
            PNG.iter().copied().chain((0_u32..3_000_000).map(|n| n.to_le_bytes()[0])).collect();
        let added = upload(tester, &path, "снимок 1.png", "image/png", bytes.clone()).await;
        let location = added.headers["location"].to_str().unwrap().to_owned();
        let added = added.expect(201);
        assert_eq!(added["sizeBytes"], json!(bytes.len()));
        assert_eq!(added["contentType"], json!("image/png"));
        assert_eq!(added["sha256"].as_str().unwrap().len(), 64);
        // Sent again because the answer was lost: it is there once.
        let again = upload(tester, &path, "снимок 1.png", "image/png", bytes.clone()).await;
        assert_eq!(again.expect(200), added);

        let reply = shop.admin.request(Method::GET, &location).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-disposition").starts_with("attachment; filename=\"______ 1.png\""));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-type"), "image/png");
        assert_eq!(header("content-length"), bytes.len().to_string());
        assert!(reply.bytes().await.unwrap() == bytes, "the bytes are others");

        // Nobody else sees it, adds to it or removes it.
        let other = shop.person("other@shop.example", &["member"]).await;
        let _ = other.get(&location).await.refused(404, "ISSUE_NOT_FOUND");
        let _ = other.get(&path).await.refused(404, "ISSUE_NOT_FOUND");
        let _ = other.delete(&location).await.refused(404, "ISSUE_NOT_FOUND");
        let theirs = upload(&other, &path, "x.png", "image/png", PNG.to_vec()).await;
        let _ = theirs.refused(404, "ISSUE_NOT_FOUND");
        let stranger = Shop::open(&world).await;
        let _ = stranger.admin.get(&location).await.refused(404, "ISSUE_NOT_FOUND");
        let auditor = shop.person("auditor@shop.example", &["auditor"]).await;
        assert_eq!(auditor.get(&path).await.expect(200)["items"][0], added);
        let theirs = upload(&auditor, &path, "x.png", "image/png", PNG.to_vec()).await;
        let _ = theirs.refused(403, "ROLE_REQUIRED");

        // What was decided on stays, unless an admin removes it.
        shop.approve(&issue).await;
        let _ = tester.delete(&location).await.refused(409, "ATTACHMENT_KEPT");
        assert_eq!(shop.admin.delete(&location).await.status, 204);
        let _ = tester.get(&location).await.refused(404, "ATTACHMENT_NOT_FOUND");
        let attachments =
            world.config.data_dir.join("attachments").join(&shop.admin.organization_id);
        assert_eq!(std::fs::read_dir(attachments).unwrap().count(), 0);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_not_what_it_says_is_refused_and_leaves_nothing() {
    for (store, bus) in BOTH {
        let most = 300_000;
        let change = |config: &mut quittance_chassis::config::Config| {
            config.attachments.max_bytes = most;
        };
        let world = World::start_with(store, bus, change).await;
        let shop = Shop::open(&world).await;
        let (tester, issue) = (&shop.tester, shop.file(&shop.tester, "high").await);
        let path = format!("{}/attachments", shop.issue_path(&issue));
        for length in [300_001, 5_000_000] {
            let long = upload(tester, &path, "a.txt", "text/plain", vec![b'a'; length]).await;
            let problem = long.refused(413, "ATTACHMENT_TOO_LARGE");
            assert_eq!(problem["maxBytes"], json!("300000"));
        }
        for (kind, bytes) in [
            ("image/png", b"<script>alert(1)</script>".to_vec()),
            ("image/svg+xml", b"<svg/>".to_vec()),
            ("text/html", b"<p>".to_vec()),
            ("application/octet-stream", PNG.to_vec()),
            ("image/jpeg", PNG.to_vec()),
            ("text/plain", b"MZ\x90\0\x03".to_vec()),
            ("", PNG.to_vec()),
        ] {
            let answer = upload(tester, &path, "a.png", kind, bytes).await;
            let _ = answer.refused(415, "ATTACHMENT_TYPE_REFUSED");
        }
        let empty = upload(tester, &path, "a.txt", "text/plain", Vec::new()).await;
        let _ = empty.refused(400, "INVALID_FIELD");
        let named = upload(tester, &path, "../a.txt", "text/plain", b"x".to_vec()).await;
        assert_eq!(named.refused(400, "INVALID_FIELD")["errors"][0]["field"], json!("name"));

        // A body that breaks off is no file.
        let pieces = [Ok(vec![b'a'; 70_000]), Err(std::io::Error::other("gone"))];
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let request = tester.request(Method::POST, &format!("{path}?name=a.txt"));
        let _ = request.header("content-type", "text/plain").body(body).send().await;

        let whole = vec![b'a'; usize::try_from(most).unwrap()];
        let _ = upload(tester, &path, "a.txt", "text/plain", whole).await.expect(201);
        let items = tester.get(&path).await.expect(200)["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
        let kept = world.config.data_dir.join("attachments").join(&tester.organization_id);
        system_tests::world::eventually("one file", || async {
            (std::fs::read_dir(&kept).unwrap().count() == 1).then_some(())
        })
        .await;

        for n in 1..20 {
            let text = format!("log {n}").into_bytes();
            let _ = upload(tester, &path, "a.txt", "text/plain", text).await.expect(201);
        }
        let more = upload(tester, &path, "a.txt", "text/plain", b"one more".to_vec()).await;
        let _ = more.refused(409, "ATTACHMENTS_FULL");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_brings_its_issue_first() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let first = shop.file(&shop.tester, "high").await;
        let title = "The same as shp 1, and shp-1 again";
        let second = shop.file_in(&shop.cycle, &shop.tester, "low", title).await;
        for q in ["SHP-1", "shp-1", "Shp-01"] {
            let found = shop.tester.get(&format!("/api/issues?q={q}")).await.expect(200);
            assert_eq!(id(&found["items"][0]), first, "{q}");
        }
        let found = shop.tester.get("/api/issues?q=shp-1&pageSize=1").await.expect(200);
        let next = found["nextPageToken"].as_str().unwrap();
        let rest = format!("/api/issues?q=shp-1&pageSize=1&pageToken={next}");
        let rest = shop.tester.get(&rest).await.expect(200);
        assert_eq!((id(&found["items"][0]), id(&rest["items"][0])), (first, second));
        let none = shop.tester.get("/api/issues?q=shp-3").await.expect(200);
        assert_eq!(none["items"], json!([]));
        let other = shop.person("other@shop.example", &["member"]).await;
        assert_eq!(other.get("/api/issues?q=SHP-1").await.expect(200)["items"], json!([]));
        world.close().await;
    }
}
