//! What the lists and inboxes read on PostgreSQL when there are 100,000 issues. The plans are those of the
//! statements that the service itself has run, on the pool's prepared statements: `auto_explain` tells
//! them to the client, so that no copy of a statement can drift from the real one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "scale/plan.rs"]
mod plan;
#[path = "scale/seed.rs"]
mod seed;

use quittance_chassis::db::Db;
use quittance_issues::Issues;
use quittance_issues::app::{IssueFilter, Paging};
use quittance_kernel::{Ctx, IssueStatus, PayoutStatus, Severity};

use plan::{Ear, Plan};
use seed::Seed;

/// Rows that a page of 50 may touch: the page, the row that tells of a next one, and little more.
const PAGE: u64 = 300;

/// How often each statement runs: after five times PostgreSQL may change to a generic plan.
const TIMES: usize = 7;

struct Bench {
    db: Db,
    issues: Issues,
    ear: Ear,
    mode: &'static str,
    faults: Vec<String>,
}

impl Bench {
    /// Connects anew, so that every session plans in this mode and tells its plans.
    async fn open(seed: &Seed, ear: &Ear, mode: &'static str) -> Self {
        seed.tell_plans(mode).await;
        let db = Db::connect("issues", seed.db.url(), 1).await.unwrap();
        let (issues, ear) = (Issues::new(db.clone(), false), ear.clone());
        Self { db, issues, ear, mode, faults: Vec::new() }
    }

    /// Checks every plan heard since the last time.
    async fn check(&mut self, what: &str, budget: u64) {
        // The one connection answers when it has told everything before.
        self.db.ping().await.unwrap();
        let plans = self.ear.take();
        assert!(!plans.is_empty(), "{what}: no plan was heard");
        let worst = plans.iter().max_by_key(|plan| plan.touched()).unwrap();
        if plans.iter().any(Plan::scans_all) || budget < worst.touched() {
            self.faults.push(format!(
                "{what} ({}): touched {} of at most {budget}, scans all: {}\n{}",
                self.mode,
                worst.touched(),
                plans.iter().any(Plan::scans_all),
                worst.text()
            ));
        }
    }

    /// Reads the first page of a list and one further on.
    async fn list(&mut self, what: &str, ctx: &Ctx, filter: IssueFilter, budget: u64) {
        for _ in 0..TIMES {
            let mut paging = Paging { size: 50, token: String::new() };
            for _ in 0..2 {
                let page = self.issues.list_issues(ctx, &filter, &paging).await.unwrap();
                assert!(!page.items.is_empty(), "{what} finds nothing");
                paging.token = page.next;
                if paging.token.is_empty() {
                    break;
                }
            }
        }
        self.check(what, budget).await;
    }

    /// Reads the inbox, first page and one further on, with its counts.
    async fn inbox(&mut self, what: &str, ctx: &Ctx, budget: u64) {
        for _ in 0..TIMES {
            let mut paging = Paging { size: 50, token: String::new() };
            for _ in 0..2 {
                let inbox = self.issues.list_triage(ctx, &paging).await.unwrap();
                assert!(!inbox.page.items.is_empty(), "{what} is empty");
                paging.token = inbox.page.next;
                if paging.token.is_empty() {
                    break;
                }
            }
        }
        self.check(what, budget).await;
    }

    async fn undecided(&mut self, what: &str, ctx: &Ctx, budget: u64) {
        for _ in 0..TIMES {
            let paging = Paging { size: 50, token: String::new() };
            let pending = self.issues.list_pending_review(ctx, &paging).await.unwrap();
            assert!(!pending.page.items.is_empty(), "{what} is empty");
        }
        self.check(what, budget).await;
    }
}

/// One filter of each kind, each with a value that few issues have.
fn filters(seed: &Seed) -> Vec<(&'static str, IssueFilter)> {
    let all = IssueFilter::default;
    let mut filters = vec![
        ("all issues", all()),
        ("of a cycle", IssueFilter { cycle: Some(seed.old_cycle), ..all() }),
        ("of a product", IssueFilter { product: Some(seed.old_product), ..all() }),
        ("of a reporter", IssueFilter { reporter: Some(seed.member.member()), ..all() }),
        ("with a word", IssueFilter { words: vec!["word77".into()], ..all() }),
        ("with a common word", IssueFilter { words: vec!["payment".into()], ..all() }),
        (
            "of a cycle and a status",
            IssueFilter {
                cycle: Some(seed.old_cycle),
                status: Some(IssueStatus::Exported),
                ..all()
            },
        ),
    ];
    filters.extend(
        Severity::ALL.iter().map(|severity| {
            (severity.as_str(), IssueFilter { severity: Some(*severity), ..all() })
        }),
    );
    filters.extend(
        IssueStatus::ALL
            .iter()
            .map(|status| (status.as_str(), IssueFilter { status: Some(*status), ..all() })),
    );
    filters.extend(
        PayoutStatus::ALL
            .iter()
            .map(|status| (status.as_str(), IssueFilter { payout_status: Some(*status), ..all() })),
    );
    filters
}

#[tokio::test]
async fn no_list_reads_all_issues() {
    let ear = Ear::listen();
    let seed = Seed::sow().await;
    let mut faults = Vec::new();
    for mode in ["force_generic_plan", "auto"] {
        let mut bench = Bench::open(&seed, &ear, mode).await;
        for (what, filter) in filters(&seed) {
            // A cycle is all that is narrowed by an index when the status is asked for too.
            let mut budget = if filter.cycle.is_some() { seed.per_cycle } else { PAGE };
            // A plan that knows no words cannot know how few issues have them. PostgreSQL makes such
            // a plan only when told to: with the words, it always finds a cheaper one.
            if !filter.words.is_empty() && mode == "force_generic_plan" {
                budget = u64::MAX;
            }
            bench.list(what, &seed.admin, filter, budget).await;
        }
        bench.list("a member's own", &seed.member, IssueFilter::default(), PAGE).await;
        for (what, lead) in [("a lead's", &seed.lead), ("an old lead's", &seed.old_lead)] {
            bench.list(what, lead, IssueFilter::default(), PAGE).await;
        }
        // A count reads what it counts, and no more.
        bench.inbox("the inbox", &seed.admin, seed.waiting).await;
        bench.inbox("the inbox of a lead", &seed.lead, seed.waiting).await;
        bench.undecided("what is undecided", &seed.admin, seed.waiting).await;
        faults.append(&mut bench.faults);
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
