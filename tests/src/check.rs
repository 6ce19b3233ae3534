//! The invariants of the whole system, asked of the databases themselves (reliability, 1–5).

use std::time::{Duration, Instant};

use quittance_chassis::config::Config;
use quittance_chassis::db::Db;
use sea_orm::{ConnectionTrait, Statement};
use secrecy::ExposeSecret as _;

/// How long delivery may take on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The three databases of an instance.
pub struct Books {
    pub issues: Db,
    pub payouts: Db,
    pub balance: Db,
}

/// What was counted; each figure proves that the checks had something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub payouts: i64,
    pub paid_items: i64,
    pub audited_payments: i64,
    pub waiting: i64,
}

impl Books {
    pub async fn open(config: &Config) -> Self {
        let open = |service, backend| async move {
            let url = config.database_url(backend, service);
            Db::connect(service, url.expose_secret(), 4).await.expect("the database opens")
        };
        Self {
            issues: open("issues", &config.issues).await,
            payouts: open("payouts", &config.payouts).await,
            balance: open("balance", &config.balance).await,
        }
    }

    /// Checks what must hold at every instant, even right after a crash.
    pub async fn at_rest(&self) -> Counts {
        let doubles = "SELECT count(*) FROM (SELECT earning_id FROM payout_items WHERE live \
                       GROUP BY earning_id HAVING count(*) > 1) AS twice";
        assert_eq!(number(&self.payouts, doubles).await, 0, "an earning was paid twice");
        let sums = "SELECT count(*) FROM payouts p WHERE p.amount_minor + p.netted_minor <> \
                    (SELECT CAST(COALESCE(SUM(i.amount_minor), 0) AS BIGINT) FROM payout_items i \
                     WHERE i.payout_id = p.id) OR p.item_count <> \
                    (SELECT count(*) FROM payout_items i WHERE i.payout_id = p.id)";
        assert_eq!(
            number(&self.payouts, sums).await,
            0,
            "a payout is not its items less what was kept back"
        );
        // A bounty that was charged for and not sent keeps its item: its money is for nothing else.
        let unpaid = "SELECT count(*) FROM payout_items i JOIN earnings e ON e.id = i.earning_id \
                      JOIN payouts p ON p.id = i.payout_id WHERE i.live AND e.status <> 'paid' \
                      AND p.state NOT IN ('processing', 'unknown') AND NOT (p.state = 'failed' \
                      AND p.id IN (SELECT payout_id FROM bounty_payments))";
        assert_eq!(number(&self.payouts, unpaid).await, 0, "a paid item's earning is not paid");
        // What a provider is still to pay holds its earnings, and has not paid them.
        let items = "SELECT count(*) FROM payout_items i JOIN payouts p ON p.id = i.payout_id \
                     WHERE i.live AND p.state NOT IN ('processing', 'unknown', 'failed')";
        let items = number(&self.payouts, items).await;
        let paid =
            number(&self.payouts, "SELECT count(*) FROM earnings WHERE status = 'paid'").await;
        assert_eq!(items, paid, "paid earnings and live items differ");
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'payout.issue_paid'";
        let audited = number(&self.payouts, audited).await;
        // What was taken back was paid before: its item stays, and so does its audit row.
        let reversed = number(&self.payouts, "SELECT count(*) FROM reversals").await;
        assert_eq!(audited, items + reversed, "a payment has not exactly one audit row");
        self.rails_at_rest().await;
        self.charges_at_rest().await;
        self.debts_at_rest().await;
        self.inbox_at_rest().await;
        self.ledger_at_rest().await;
        Counts {
            payouts: number(&self.payouts, "SELECT count(*) FROM payouts").await,
            paid_items: items,
            audited_payments: audited,
            waiting: number(&self.payouts, "SELECT count(*) FROM outbox").await,
        }
    }

    /// The provider's books against ours: one movement at most, and none for what we did not pay.
    async fn rails_at_rest(&self) {
        let twice = "SELECT count(*) FROM (SELECT payout_id FROM sandbox_transfers WHERE moved \
                     GROUP BY payout_id HAVING count(*) > 1) AS twice";
        assert_eq!(number(&self.payouts, twice).await, 0, "a provider paid twice");
        let unmoved = "SELECT count(*) FROM payouts p WHERE p.method = 'stripe' \
                       AND p.state = 'paid' AND NOT EXISTS (SELECT 1 FROM sandbox_transfers t \
                       WHERE t.payout_id = p.id AND t.moved AND t.amount_minor = p.amount_minor \
                       AND t.currency = p.currency)";
        assert_eq!(number(&self.payouts, unmoved).await, 0, "paid, and the provider knows nothing");
        let denied = "SELECT count(*) FROM payouts p JOIN sandbox_transfers t \
                      ON t.payout_id = p.id AND t.moved WHERE p.state = 'failed'";
        assert_eq!(number(&self.payouts, denied).await, 0, "failed, and the provider has paid");
    }

    /// Payers against their provider's books: one charge at most for one purpose, of the amount that we
    /// say, and no bounty paid for which no money was taken.
    async fn charges_at_rest(&self) {
        let twice = "SELECT count(*) FROM (SELECT transfer_group FROM sandbox_charges s \
                     WHERE state = 'succeeded' AND NOT EXISTS (SELECT 1 FROM charges c \
                     WHERE c.id = s.attempt_id AND c.refunded_minor > 0) \
                     GROUP BY transfer_group HAVING count(*) > 1) AS twice";
        assert_eq!(number(&self.payouts, twice).await, 0, "a payer was charged twice");
        let differ = "SELECT count(*) FROM charges c WHERE c.state IN ('succeeded', 'refunded') \
                      AND NOT EXISTS (SELECT 1 FROM sandbox_charges s WHERE s.attempt_id = c.id \
                      AND s.state = 'succeeded' AND s.amount_minor = c.total_minor \
                      AND s.currency = c.currency)";
        assert_eq!(number(&self.payouts, differ).await, 0, "charged, and the provider differs");
        let unfunded = "SELECT count(*) FROM bounty_payments b JOIN payouts p ON p.id = b.payout_id \
                        WHERE b.funding = 'charge' AND p.state = 'paid' AND NOT EXISTS \
                        (SELECT 1 FROM charges c WHERE c.subject_id = p.id \
                         AND c.state = 'succeeded')";
        assert_eq!(number(&self.payouts, unfunded).await, 0, "a bounty was paid by nobody");
    }

    /// The ledger: all accounts of a currency sum to zero, and each holds what its entries add up to.
    async fn ledger_at_rest(&self) {
        let unbalanced = "SELECT count(*) FROM (SELECT organization_id FROM ledger_accounts \
                          GROUP BY organization_id, currency HAVING SUM(balance) <> 0) AS sums";
        assert_eq!(number(&self.balance, unbalanced).await, 0, "the ledger does not sum to zero");
        let wrong = "SELECT count(*) FROM ledger_accounts a WHERE a.balance <> \
                     (SELECT COALESCE(SUM(CASE WHEN e.debit = a.account THEN e.minor \
                     ELSE -e.minor END), 0) FROM ledger_entries e \
                     WHERE e.organization_id = a.organization_id \
                     AND (e.debit = a.account OR e.credit = a.account))";
        assert_eq!(number(&self.balance, wrong).await, 0, "an account is not its entries");
    }

    /// What payees owe: one debt for each void, and what was kept back is what is no longer open.
    async fn debts_at_rest(&self) {
        let unbooked = "SELECT count(*) FROM reversals v LEFT JOIN receivables r \
                        ON r.earning_id = v.earning_id AND r.amount_minor = v.amount_minor \
                        AND r.currency = v.currency WHERE v.kind = 'void' AND r.id IS NULL";
        assert_eq!(number(&self.payouts, unbooked).await, 0, "a void is not owed back");
        let live = "SELECT count(*) FROM reversals v JOIN payout_items i ON i.id = v.payout_item_id \
                    WHERE i.live";
        assert_eq!(number(&self.payouts, live).await, 0, "what was taken back still counts");
        let kept = "SELECT count(*) FROM receivables r WHERE r.amount_minor - r.open_minor <> \
                    (SELECT CAST(COALESCE(SUM(n.amount_minor), 0) AS BIGINT) FROM nettings n \
                     WHERE n.live AND n.receivable_id = r.id)";
        assert_eq!(number(&self.payouts, kept).await, 0, "a debt is not what is left of it");
        let netted = "SELECT count(*) FROM payouts p WHERE p.netted_minor <> \
                      (SELECT CAST(COALESCE(SUM(n.amount_minor), 0) AS BIGINT) FROM nettings n \
                       WHERE n.payout_id = p.id)";
        assert_eq!(number(&self.payouts, netted).await, 0, "a payout keeps back something else");
    }

    /// The count of undecided issues that is kept for each cycle, against the issues.
    async fn inbox_at_rest(&self) {
        let miscounted = "SELECT count(*) FROM cycles c LEFT JOIN cycle_inbox b \
                          ON b.cycle_id = c.id WHERE COALESCE(b.undecided, 0) <> \
                          (SELECT count(*) FROM issues i WHERE i.cycle_id = c.id \
                           AND i.status = 'open' AND i.review = 'pending' \
                           AND i.bounty_id IS NULL)";
        assert_eq!(number(&self.issues, miscounted).await, 0, "a cycle's inbox is miscounted");
    }

    /// Whether every event has reached the bus: no outbox has a row left.
    pub async fn published(&self) -> bool {
        for db in [&self.issues, &self.payouts, &self.balance] {
            if number(db, "SELECT count(*) FROM outbox").await != 0 {
                return false;
            }
        }
        true
    }

    /// Waits until everything has been delivered and acted on, and checks what must hold then.
    pub async fn when_quiet(&self) -> Counts {
        let start = Instant::now();
        loop {
            let amiss = self.amiss().await;
            if amiss.is_empty() {
                return self.at_rest().await;
            }
            assert!(start.elapsed() < PATIENCE, "after {PATIENCE:?} still: {}", amiss.join("; "));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What does not hold yet, or does not hold at all.
    async fn amiss(&self) -> Vec<&'static str> {
        let counts = self.at_rest().await;
        let (paid, audited) = (counts.paid_items, counts.audited_payments);
        let mirrored = "SELECT count(*) FROM issues WHERE pay_status = 'paid'";
        let told = "SELECT count(*) FROM audit_log WHERE action = 'payout.issue_paid' \
                    AND event_id IS NOT NULL";
        let kept = "SELECT (SELECT CAST(COALESCE(SUM(earned), 0) AS BIGINT) FROM member_money) + \
                    (SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM partner_entries \
                     WHERE kind <> 'commission' AND status = 'paid')";
        let truth = "SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM earnings \
                     WHERE status = 'paid'";
        let owed = "SELECT (SELECT CAST(COALESCE(SUM(receivable), 0) AS BIGINT) \
                    FROM member_money) + (SELECT CAST(COALESCE(SUM(CASE WHEN owed_version > 0 \
                    THEN owed_minor ELSE amount_minor END), 0) AS BIGINT) FROM partner_entries \
                    WHERE status = 'void')";
        let open = "SELECT CAST(COALESCE(SUM(open_minor), 0) AS BIGINT) FROM receivables";
        let holds = [
            (self.published().await, "an event waits in an outbox"),
            (number(&self.issues, mirrored).await == paid, "issues do not mirror payouts"),
            (number(&self.payouts, told).await == audited, "a payment has no event"),
            (self.delivered().await == audited, "an event has not arrived once"),
            (
                number(&self.balance, kept).await == number(&self.payouts, truth).await,
                "balances differ from a recomputation",
            ),
            (
                number(&self.balance, owed).await == number(&self.payouts, open).await,
                "what balances say is owed back is not what is",
            ),
        ];
        holds.into_iter().filter(|(holds, _)| !holds).map(|(_, amiss)| amiss).collect()
    }

    /// How many payment events the balance has acted on: its inbox against the payouts' audit log.
    async fn delivered(&self) -> i64 {
        let sql = "SELECT event_id FROM audit_log WHERE action = 'payout.issue_paid'";
        let statement = Statement::from_string(self.payouts.backend(), sql);
        let told = self.payouts.conn().query_all_raw(statement).await.unwrap();
        let sql = "SELECT event_id FROM inbox WHERE consumer = 'balance.projections'";
        let statement = Statement::from_string(self.balance.backend(), sql);
        let heard = self.balance.conn().query_all_raw(statement).await.unwrap();
        let heard: std::collections::HashSet<uuid::Uuid> =
            heard.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let arrived = told
            .iter()
            .filter(|row| heard.contains(&row.try_get_by_index::<uuid::Uuid>(0).unwrap()))
            .count();
        i64::try_from(arrived).unwrap()
    }
}

/// The single number that a query answers with.
pub async fn number(db: &Db, sql: &str) -> i64 {
    let row = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await;
    row.unwrap_or_else(|error| panic!("{sql}: {error}")).unwrap().try_get_by_index(0).unwrap()
}
