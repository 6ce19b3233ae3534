use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::TimeDelta;
use quittance_chassis::clock::now;
use quittance_chassis::db::{Db, migrate};
use quittance_chassis::grpc::client;
use quittance_chassis::testing::databases;
use quittance_kernel::{Ctx, Currency, Timestamp};
use sea_orm::{ConnectionTrait as _, Statement};
use tokio_util::sync::CancellationToken;

use super::run::{Limits, Ran, carry_out};
use super::work::{Step, Work};
use super::*;
use crate::domain::job::RunState;
use crate::{Migrator, Policy};

/// Rows that become due, and what it takes to work them off.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    holds: i64,
    schedules: i64,
    /// Schedules that the release of a hold makes due.
    blocked: i64,
    chunk_takes: Duration,
    /// Fails once this many were processed.
    fails_after: Option<i64>,
    processed: i64,
}

impl Work for Fake {
    async fn chunk(&self, step: Step, _at: Timestamp, limit: u32) -> Result<Tally, Error> {
        let pause = self.0.lock().unwrap().chunk_takes;
        tokio::time::sleep(pause).await;
        let mut books = self.0.lock().unwrap();
        if books.fails_after.is_some_and(|after| after <= books.processed) {
            return Err(Error::Contended);
        }
        let (due, unblocked) = match step {
            Step::Releases => {
                let released = books.holds.min(limit.into());
                let unblocked = books.blocked.min(released);
                books.holds -= released;
                books.blocked -= unblocked;
                books.schedules += unblocked;
                (released, unblocked)
            }
            Step::Schedules => {
                let due = books.schedules.min(limit.into());
                books.schedules -= due;
                (due, 0)
            }
        };
        books.processed += due;
        let amounts = BTreeMap::from([(Currency::KZT, (due * 100, due))]);
        Ok(Tally { claimed: due, processed: due, unblocked, amounts, ..Tally::default() })
    }
}

fn fake(schedules: i64) -> Fake {
    Fake(Arc::new(Mutex::new(Books { schedules, ..Books::default() })))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ctx(now: Timestamp) -> Ctx {
    timetable(now).ctx
}

fn limits(budget: Duration) -> Limits {
    let (stop, watch) = (CancellationToken::new(), quiet());
    Limits { until: Instant::now() + budget, stop, watch }
}

/// A slot of the schedules, asked for when it begins.
async fn run(db: &Db, work: &Fake, slot: &str) -> Result<Ran, Error> {
    let wanted = Wanted::new(Job::Schedules, Some(at(slot)), None, at(slot)).unwrap();
    carry_out(db, work.clone(), &ctx(at(slot)), wanted, limits(BUDGET)).await
}

async fn on_demand(db: &Db, work: &Fake, job: Job, limit: Option<i32>) -> Result<Ran, Error> {
    let wanted = Wanted::new(job, None, limit, now()).unwrap();
    carry_out(db, work.clone(), &ctx(now()), wanted, limits(BUDGET)).await
}

async fn count(db: &Db, sql: &str) -> i64 {
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.conn().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

const MONDAY: &str = "2026-05-04T02:00:00Z";

#[tokio::test]
async fn two_crons_in_one_slot_are_one_run() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(1_200);
        work.0.lock().unwrap().chunk_takes = Duration::from_millis(100);
        let crons = (0..4).map(|_| run(&db, &work, MONDAY));
        let ran = futures_util::future::join_all(crons).await;
        let ran: Vec<Ran> = ran.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(ran.iter().filter(|ran| !ran.already).count(), 1);
        assert!(ran.iter().all(|other| other.run.id == ran[0].run.id));
        let first = ran.iter().find(|ran| !ran.already).unwrap();
        assert_eq!(first.run.state, RunState::Completed);
        let tally = &first.run.tally;
        assert_eq!((tally.claimed, tally.processed), (1_200, 1_200));
        assert_eq!(tally.amounts[&Currency::KZT], (120_000, 1_200));

        let late = run(&db, &work, MONDAY).await.unwrap();
        assert!(late.already && late.run.tally == *tally);
        assert_eq!(count(&db, "SELECT count(*) FROM job_runs").await, 1);
        for (what, expected) in [
            ("SELECT count(*) FROM audit_log WHERE action = 'job.started'", 1),
            ("SELECT count(*) FROM audit_log WHERE action = 'job.completed'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'job.completed'", 1),
        ] {
            assert_eq!(count(&db, what).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn missed_slots_are_caught_up_once() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(3);
        run(&db, &work, MONDAY).await.unwrap();
        // Tuesday and Wednesday are missed.
        let thursday = run(&db, &work, "2026-05-07T02:00:00Z").await.unwrap();
        let slots = thursday.run.slots.unwrap();
        assert!(!thursday.already);
        assert_eq!((slots.from, slots.count), (at("2026-05-05T02:00:00Z"), 3));
        // Their crons come late: what they stand for is done.
        for late in ["2026-05-05T02:00:00Z", "2026-05-06T02:00:00Z"] {
            let late = run(&db, &work, late).await.unwrap();
            assert!(late.already && late.run.id == thursday.run.id);
        }
        let friday = run(&db, &work, "2026-05-08T02:00:00Z").await.unwrap();
        assert_eq!(friday.run.slots.unwrap().missed(), 0);
        assert_eq!(count(&db, "SELECT count(*) FROM job_runs").await, 3);
    }
}

#[tokio::test]
async fn a_run_whose_time_is_up_stops_between_chunks_and_its_slot_can_go_on() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(100_000);
        work.0.lock().unwrap().chunk_takes = Duration::from_millis(40);
        let wanted = Wanted::new(Job::Schedules, Some(at(MONDAY)), None, at(MONDAY)).unwrap();
        let short = limits(Duration::from_millis(400));
        let ran = carry_out(&db, work.clone(), &ctx(at(MONDAY)), wanted, short).await.unwrap();
        assert_eq!(ran.run.state, RunState::Stopped);
        let done = ran.run.tally.processed;
        assert!(0 < done && done < 100_000 && done % 500 == 0, "{done}");
        assert_eq!(done, work.0.lock().unwrap().processed, "nothing was done and not counted");

        let stopped = limits(BUDGET);
        stopped.stop.cancel();
        let again = carry_out(&db, work.clone(), &ctx(at(MONDAY)), wanted, stopped).await.unwrap();
        assert_eq!((again.run.state, again.already), (RunState::Stopped, false));

        work.0.lock().unwrap().chunk_takes = Duration::ZERO;
        let last = run(&db, &work, MONDAY).await.unwrap();
        assert_eq!((last.run.state, last.already), (RunState::Completed, false));
        assert_eq!(last.run.tally.processed, 100_000 - done);
        assert!(run(&db, &work, MONDAY).await.unwrap().already);
    }
}

#[tokio::test]
async fn a_killed_run_is_closed_as_abandoned_and_the_next_goes_on() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(10_000);
        work.0.lock().unwrap().chunk_takes = Duration::from_millis(300);
        let killed = {
            let (db, work) = (Db::clone(&db), work.clone());
            tokio::spawn(async move { run(&db, &work, MONDAY).await.map(|ran| ran.run.id) })
        };
        while count(&db, "SELECT count(*) FROM job_runs WHERE state = 'running'").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        killed.abort();
        let _ = killed.await;
        work.0.lock().unwrap().chunk_takes = Duration::ZERO;
        // As long as its lock stands it counts as under way.
        let next = loop {
            let next = run(&db, &work, MONDAY).await.unwrap();
            if !next.already {
                break next;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(next.run.state, RunState::Completed);
        let runs = store::job::list(&db, None, None, 10).await.unwrap();
        let states: Vec<RunState> = runs.iter().map(|run| run.state).collect();
        assert_eq!(states, [RunState::Completed, RunState::Abandoned]);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'job.completed'";
        assert_eq!(count(&db, told).await, 2);
        assert_eq!(
            count(&db, "SELECT count(*) FROM audit_log WHERE action = 'job.abandoned'").await,
            1
        );
    }
}

#[tokio::test]
async fn a_run_on_demand_is_never_taken_for_another_but_waits_for_nobody() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(10);
        let first = on_demand(&db, &work, Job::Schedules, None).await.unwrap();
        let second = on_demand(&db, &work, Job::Schedules, None).await.unwrap();
        assert!(!first.already && !second.already && first.run.id != second.run.id);
        assert_eq!((first.run.tally.processed, second.run.tally.processed), (10, 0));

        let slow = fake(10);
        slow.0.lock().unwrap().chunk_takes = Duration::from_millis(500);
        let under_way = {
            let (db, slow) = (Db::clone(&db), slow.clone());
            tokio::spawn(async move { on_demand(&db, &slow, Job::Schedules, None).await })
        };
        while count(&db, "SELECT count(*) FROM job_runs WHERE state = 'running'").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let refused = on_demand(&db, &work, Job::Schedules, None).await;
        assert!(matches!(refused, Err(Error::Job(JobError::Running(Job::Schedules)))));
        // The other job has a turn of its own.
        assert!(on_demand(&db, &work, Job::Escrow, None).await.is_ok());
        // A slot waits for its turn: it is not lost to a run on demand.
        let monday = run(&db, &work, MONDAY).await.unwrap();
        assert!(!monday.already && monday.run.state == RunState::Completed);
        assert_eq!(under_way.await.unwrap().unwrap().run.tally.processed, 10);
    }
}

#[tokio::test]
async fn a_release_has_what_it_unblocks_paid_in_the_same_run() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(0);
        work.0.lock().unwrap().holds = 700;
        work.0.lock().unwrap().blocked = 3;
        let ran = on_demand(&db, &work, Job::Escrow, None).await.unwrap();
        assert_eq!(ran.run.tally.unblocked, 3);
        assert_eq!(ran.run.tally.processed, 703);
        // Schedules that no release has touched are for the other job.
        work.0.lock().unwrap().schedules = 5;
        work.0.lock().unwrap().holds = 1;
        let ran = on_demand(&db, &work, Job::Escrow, None).await.unwrap();
        assert_eq!(ran.run.tally.processed, 1);
        assert_eq!(work.0.lock().unwrap().schedules, 5);
    }
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_may_be_run_for_its_slot_again() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(2_000);
        work.0.lock().unwrap().fails_after = Some(1_000);
        let failed = run(&db, &work, MONDAY).await.unwrap().run;
        assert_eq!((failed.state, failed.tally.processed), (RunState::Failed, 1_000));
        assert!(failed.error.unwrap().starts_with("CONTENDED: "));
        work.0.lock().unwrap().fails_after = None;
        let again = run(&db, &work, MONDAY).await.unwrap();
        assert_eq!((again.already, again.run.tally.processed), (false, 1_000));
    }
}

#[tokio::test]
async fn a_limit_holds_for_all_workers_together() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let work = fake(10_000);
        work.0.lock().unwrap().chunk_takes = Duration::from_millis(5);
        let wanted = Wanted::new(Job::Schedules, None, Some(1_234), now()).unwrap();
        let wanted = wanted.with_workers(4).unwrap();
        let ran = carry_out(&db, work.clone(), &ctx(now()), wanted, limits(BUDGET)).await.unwrap();
        assert_eq!((ran.run.tally.claimed, ran.run.state), (1_234, RunState::Stopped));
        let all = Wanted::new(Job::Schedules, None, None, now()).unwrap().with_workers(4).unwrap();
        let ran = carry_out(&db, work.clone(), &ctx(now()), all, limits(BUDGET)).await.unwrap();
        assert_eq!((ran.run.tally.claimed, ran.run.state), (10_000 - 1_234, RunState::Completed));
    }
}

#[tokio::test]
async fn the_clock_runs_each_slot_once_and_catches_up_after_a_rest() {
    for db in databases("payouts").await {
        migrate::<Migrator>(&db).await.unwrap();
        let nobody = client("http://127.0.0.1:1").unwrap();
        let payouts = Payouts::new(Db::clone(&db), nobody, Policy::default());
        let mut clock = Timekeeper::new(payouts.clone());
        assert!(clock.tick(now()).await.unwrap().is_empty(), "a new installation missed nothing");

        let half_past_two =
            Job::Schedules.slot_at(now() + TimeDelta::days(3)) + TimeDelta::minutes(30);
        let ran = |ran: Vec<Ran>| ran.iter().map(|ran| ran.run.job).collect::<Vec<_>>();
        let both = [Job::Schedules, Job::Escrow];
        assert_eq!(ran(clock.tick(half_past_two).await.unwrap()), both);
        assert_eq!(ran(clock.tick(half_past_two + TimeDelta::minutes(10)).await.unwrap()), []);
        let half_past_three = half_past_two + TimeDelta::hours(1);
        assert_eq!(ran(clock.tick(half_past_three).await.unwrap()), [Job::Escrow]);

        // Down for three nights; what comes up knows it from the table.
        let mut clock = Timekeeper::new(payouts.clone());
        let later = clock.tick(half_past_three + TimeDelta::days(3)).await.unwrap();
        assert_eq!(
            later.iter().map(|ran| ran.run.slots.unwrap().missed()).collect::<Vec<_>>(),
            [2, 2]
        );
        let mut restarted = Timekeeper::new(payouts);
        let again = restarted.tick(half_past_three + TimeDelta::days(3)).await.unwrap();
        assert_eq!(ran(again), []);
    }
}
