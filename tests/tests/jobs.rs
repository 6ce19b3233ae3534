//! Jobs: over REST, on the command line, and in processes that are killed.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use system_tests::fault::kill_workers;
use system_tests::world::BOTH;
use system_tests::{Cluster, Node, Shop, World};
use uuid::Uuid;

const SCHEDULES: &str = "/api/v2/payout-schedules/process-due";
const HOLDS: &str = "/api/v2/escrow-holds/process-due";
const RUNS: &str = "/api/v2/job-runs";

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_node"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_has_what_is_due_worked_off_once_per_slot() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let platform = world.person("Platform", "cron@platform.example", &["platform_admin"]).await;
        let slot = json!({"slot": "2026-05-08T02:00:00Z"});
        let first = platform.post(SCHEDULES, slot.clone()).await.expect(200);
        assert_eq!(first["job"], "process-schedules");
        assert_eq!(first["status"], "completed", "{first}");
        assert_eq!(first["slot"], "2026-05-08T02:00:00Z");
        assert_eq!(first["alreadyRun"], false);
        assert_eq!(first["startedBy"], platform.member_id);
        for figure in [
            "claimed",
            "processed",
            "failed",
            "retried",
            "skipped",
            "submitted",
            "unblockedSchedules",
            "missedSlots",
        ] {
            assert_eq!(first[figure], 0, "{figure}");
        }
        assert!(first["amounts"].is_array() && first["durationMs"].is_u64());

        let doubled = platform.post(SCHEDULES, slot.clone()).await.expect(200);
        assert_eq!((&doubled["runId"], &doubled["alreadyRun"]), (&first["runId"], &json!(true)));
        // The other job has slots of its own; so does the next day.
        let holds = platform.post(HOLDS, slot).await.expect(200);
        assert_eq!(
            (&holds["job"], &holds["alreadyRun"]),
            (&json!("process-escrow"), &json!(false))
        );
        let late = json!({"slot": "2026-05-11T02:00:00Z"});
        let late = platform.post(SCHEDULES, late).await.expect(200);
        assert_eq!(late["missedSlots"], 2);
        assert_eq!(late["coversFrom"], "2026-05-09T02:00:00Z");
        let missed = json!({"slot": "2026-05-10T02:00:00Z"});
        let missed = platform.post(SCHEDULES, missed).await.expect(200);
        assert_eq!((&missed["runId"], &missed["alreadyRun"]), (&late["runId"], &json!(true)));
        // On demand nothing is taken for another run.
        for _ in 0..2 {
            let ran = platform.post(SCHEDULES, json!({"limit": 10})).await.expect(200);
            assert_eq!((&ran["alreadyRun"], &ran["slot"]), (&json!(false), &Value::Null));
        }

        let all = platform.get(RUNS).await.expect(200);
        assert_eq!(all["items"].as_array().unwrap().len(), 5);
        let page = platform.get(&format!("{RUNS}?job=process-schedules&pageSize=3")).await;
        let page = page.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 3);
        let token = page["nextPageToken"].as_str().unwrap();
        let rest = format!("{RUNS}?job=process-schedules&pageSize=3&pageToken={token}");
        let rest = platform.get(&rest).await.expect(200);
        assert_eq!(rest["items"][0]["runId"], first["runId"]);
        assert_eq!(rest["nextPageToken"], Value::Null);
        let id = first["runId"].as_str().unwrap();
        let shown = platform.get(&format!("{RUNS}/{id}")).await.expect(200);
        assert_eq!(shown["finishedAt"], first["finishedAt"]);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_platform_runs_jobs_and_bad_requests_name_their_field() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        for role in ["member", "lead", "admin", "finance", "auditor"] {
            let other = world.person("Shop", &format!("{role}@shop.example"), &[role]).await;
            for path in [SCHEDULES, HOLDS] {
                other.post(path, json!({})).await.refused(403, "ROLE_REQUIRED");
            }
            other.get(RUNS).await.refused(403, "ROLE_REQUIRED");
            let one = format!("{RUNS}/0190aaaa-0000-7000-8000-000000000001");
            other.get(&one).await.refused(403, "ROLE_REQUIRED");
        }
        let platform = world.person("Platform", "cron@platform.example", &["platform_admin"]).await;
        let refused = |problem: Value| problem["errors"][0]["field"].as_str().unwrap().to_owned();
        for (body, field) in [
            (json!({"slot": "2126-05-08T02:00:00Z"}), "slot"),
            (json!({"slot": "yesterday"}), "slot"),
            (json!({"limit": 0}), "limit"),
            (json!({"limit": 1_000_001}), "limit"),
        ] {
            for path in [SCHEDULES, HOLDS] {
                let problem = platform.post(path, body.clone()).await;
                assert_eq!(refused(problem.refused(400, "INVALID_FIELD")), field);
            }
        }
        let problem = platform.get(&format!("{RUNS}?job=process-everything")).await;
        assert_eq!(refused(problem.refused(400, "INVALID_FIELD")), "job");
        platform.get(&format!("{RUNS}?pageToken=x")).await.refused(400, "PAGE_TOKEN_INVALID");
        let none = format!("{RUNS}/0190aaaa-0000-7000-8000-000000000001");
        platform.get(&none).await.refused(404, "JOB_RUN_NOT_FOUND");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_runs_a_slot_once_beside_the_service_or_through_it() {
    for (store, bus) in BOTH {
        let cluster = Cluster::start(binary(), &[Node::Standalone], store, bus).await;
        for (job, hour) in [("process-schedules", "02"), ("process-escrow", "03")] {
            let slot = format!("2026-05-08T{hour}:00:00Z");
            let words = ["job", job, "--slot", &slot];
            let (code, said, error) = cluster.command(Node::Payouts, &words, None).await;
            assert_eq!(code, Some(0), "{error}");
            assert!(
                said.starts_with(&format!("{job} completed: slot {slot}, 0 claimed")),
                "{said}"
            );
            let remote = ["job", job, "--slot", &slot, "--remote"];
            let (code, said, error) = cluster.command(Node::Payouts, &remote, None).await;
            assert_eq!(code, Some(0), "{error}");
            assert!(said.starts_with(&format!("{job} completed before: slot {slot}")), "{said}");
            // Without a word about slots it is the last one of the timetable.
            for expected in ["completed: slot", "completed before: slot"] {
                let (code, said, _) = cluster.command(Node::Payouts, &["job", job], None).await;
                assert_eq!(code, Some(0));
                assert!(said.contains(expected), "{said}");
            }
            let (code, said, _) =
                cluster.command(Node::Payouts, &["job", job, "--now"], None).await;
            assert_eq!(code, Some(0));
            assert!(said.contains("completed: on demand"), "{said}");
            for remote in [false, true] {
                let mut ahead = vec!["job", job, "--slot", "2126-01-01T00:00:00Z"];
                ahead.extend(remote.then_some("--remote"));
                let (code, _, error) = cluster.command(Node::Payouts, &ahead, None).await;
                assert_eq!(code, Some(2), "{error}");
            }
            let (code, ..) = cluster.command(Node::Payouts, &["job", job, "--fast"], None).await;
            assert_eq!(code, Some(2));
        }
        cluster.close().await;
    }
}

/// Nobody waits another night for money that a release has freed (S2-42).
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_schedule_is_paid_by_the_job_that_releases_its_hold() {
    for (store, bus) in BOTH {
        let cluster = Cluster::start(binary(), &[Node::Standalone], store, bus).await;
        let shop = Shop::open_at(&cluster.base).await;
        let keeper = shop.person("keeper@shop.example", &["platform_admin"]).await;
        let placement = Uuid::now_v7();
        let schedule = json!({
            "placementId": placement,
            "payeeId": shop.tester.member_id,
            "amountMinor": 125_000,
            "currency": "USD",
            "method": "bank",
            "scheduledDate": "2026-01-05T00:00:00Z",
            "reference": "P-1",
        });
        let free = keeper.post("/api/v2/payout-schedules", schedule.clone()).await.expect(201);
        let blocked = keeper.post("/api/v2/payout-schedules", schedule).await.expect(201);
        let hold = json!({
            "placementId": placement,
            "payeeId": shop.tester.member_id,
            "amountMinor": 125_000,
            "currency": "USD",
            "reason": "the guarantee is disputed",
            "scheduleId": blocked["id"],
            "releaseScheduledDate": "2026-01-06T00:00:00Z",
        });
        keeper.post("/api/v2/escrow-holds", hold).await.expect(201);
        let status = async |of: &Value| {
            let path = format!("/api/v2/payout-schedules/{}", of["id"].as_str().unwrap());
            keeper.get(&path).await.expect(200)["status"].clone()
        };

        let job = ["job", "process-schedules", "--now"];
        let (code, said, error) = cluster.command(Node::Payouts, &job, None).await;
        assert_eq!(code, Some(0), "{error}");
        assert!(said.contains("2 claimed, 1 processed, 0 submitted"), "{said}");
        assert!(said.contains("1 skipped, 0 unblocked, USD 125000 minor units in 1"), "{said}");
        assert_eq!(
            (status(&free).await, status(&blocked).await),
            ("processed".into(), "pending".into())
        );

        let job = ["job", "process-escrow", "--now"];
        let (code, said, error) = cluster.command(Node::Payouts, &job, None).await;
        assert_eq!(code, Some(0), "{error}");
        assert!(said.contains("2 claimed, 2 processed"), "{said}");
        assert!(said.contains("0 skipped, 1 unblocked"), "{said}");
        assert_eq!(status(&blocked).await, "processed");
        cluster.close().await;
    }
}

/// Nobody finishes a run until the last one, and each schedule is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_killed_over_and_over_pays_each_schedule_once() {
    for (store, bus) in BOTH {
        let every = Duration::from_millis(400);
        let killed = kill_workers(binary(), store, bus, 6_000, every).await;
        let outcome = &killed.outcome;
        assert_eq!((outcome.paid, outcome.lost, outcome.double), (6_000, 0, 0), "{outcome:?}");
        assert!(outcome.injected > 0 && killed.abandoned > 0, "nobody was killed: {killed:?}");
        assert!(killed.completed > 0, "{killed:?}");
    }
}
