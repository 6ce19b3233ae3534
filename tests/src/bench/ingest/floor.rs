//! The floor of `bench ingest`: a bare consumer, and one statement a batch.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use quittance_balance::Migrator;
use quittance_chassis::bus::Message;
use quittance_chassis::db::Db;
use quittance_chassis::testing::test_url;
use quittance_events::{EarningState, IssueState, decode, kind};
use sea_orm::sqlx::{self, PgPool};
use uuid::Uuid;

/// As the service has it.
const PREFETCH: u16 = 500;

/// Everything that a batch of approvals and payments writes, without looking at what is there.
const UPSERT: &str = "
WITH inp AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bool[], $7::bigint[])
             AS t(event_id, organization_id, issue_id, member_id, cycle_id, paid, ordinal)),
ibx AS (INSERT INTO inbox (consumer, event_id, received_at)
        SELECT 'floor', event_id, now() FROM inp ON CONFLICT DO NOTHING),
one AS (SELECT organization_id, issue_id, member_id, cycle_id, bool_or(paid) AS paid, bool_or(NOT paid) AS filed
        FROM inp GROUP BY 1, 2, 3, 4 ORDER BY 1, 2),
lin AS (INSERT INTO lines (organization_id, issue_id, issue_version, reporter_id, issue_cycle_id, title, severity,
        status, review, price_minor, price_currency, rule, filed_at, earning_version, payee_id, earning_cycle_id,
        amount_minor, currency, earning_status, method, reference, paid_at)
        SELECT organization_id, issue_id, CASE WHEN filed THEN 2 ELSE 0 END, member_id, cycle_id,
        'Payment fails on mobile Safari', 'high', 'triaged', 'approved', 800000, 'KZT', 'default rate, high', now(),
        CASE WHEN paid THEN 2 ELSE 0 END, member_id, cycle_id, 800000, 'KZT', CASE WHEN paid THEN 'paid' END,
        'kaspi', 'KASPI-1', CASE WHEN paid THEN now() END FROM one
        ON CONFLICT (organization_id, issue_id) DO UPDATE SET earning_version = excluded.earning_version,
        earning_status = excluded.earning_status, paid_at = excluded.paid_at),
evt AS (INSERT INTO line_events (organization_id, issue_id, part, version, event_id, kind, at, member_id, cycle_id,
        standing, minor, currency, receivable_minor) SELECT organization_id, issue_id,
        CASE WHEN paid THEN 'earning' ELSE 'issue' END, 2, event_id, 'issue.approved', now(), member_id, cycle_id,
        CASE WHEN paid THEN 'paid' ELSE 'approved' END, 800000, 'KZT', 0 FROM inp ON CONFLICT DO NOTHING),
led AS (INSERT INTO ledger_entries (organization_id, ordinal, source_id, source_version, part, event_id, kind,
        occurred_at, posted_at, debit, credit, minor, debit_balance, credit_balance, prev, hash)
        SELECT organization_id, ordinal, issue_id, CASE WHEN paid THEN 4 ELSE 2 END, 0, event_id, 'issue.approved',
        now(), now(), 'payer_due:organization:KZT', 'payable:' || member_id || ':KZT', 800000, 0, 0,
        md5(ordinal::text) || md5(ordinal::text), md5((ordinal + 1)::text) || md5((ordinal + 1)::text) FROM inp),
acc AS (INSERT INTO ledger_accounts SELECT organization_id, 'payable:' || member_id || ':KZT', 'payable',
        member_id::text, 'KZT', sum(800000), count(*) FROM inp GROUP BY organization_id, member_id ORDER BY 1, 2
        ON CONFLICT (organization_id, account) DO UPDATE SET balance = ledger_accounts.balance + excluded.balance,
        entries = ledger_accounts.entries + excluded.entries),
cnt AS (INSERT INTO cycle_counts SELECT organization_id, member_id, cycle_id, count(*), count(*), count(*), count(*),
        0, 0, 0, 0 FROM one GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (organization_id, member_id, cycle_id) DO UPDATE SET issues = cycle_counts.issues + excluded.issues,
        paid = cycle_counts.paid + excluded.paid),
cyc AS (INSERT INTO cycle_money SELECT organization_id, member_id, cycle_id, 'KZT', sum(800000), count(*), 0, 0, 0, 0, 0
        FROM one GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 ON CONFLICT (organization_id, member_id, cycle_id, currency)
        DO UPDATE SET earned = cycle_money.earned + excluded.earned),
mem AS (INSERT INTO member_money SELECT organization_id, member_id, 'KZT', sum(800000), count(*), 0, 0, 0, 0, 0
        FROM one GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT (organization_id, member_id, currency)
        DO UPDATE SET earned = member_money.earned + excluded.earned),
day AS (INSERT INTO day_money SELECT organization_id, 20000, 'KZT', sum(800000), count(*), 0, 0 FROM one GROUP BY 1
        ON CONFLICT (organization_id, day, currency) DO UPDATE SET paid = day_money.paid + excluded.paid)
SELECT count(*) FROM inp";

/// The time from the first commit to the last.
pub(super) async fn measure(url: &str, events: &[Message]) -> anyhow::Result<Duration> {
    let db = Db::connect("balance", url, 4).await?;
    quittance_chassis::db::migrate::<Migrator>(&db).await?;
    let pool = db.conn().get_postgres_connection_pool().clone();
    let connection =
        Connection::connect(&test_url("TEST_AMQP_URL"), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let queue = format!("bench_{}", Uuid::new_v4().simple());
    publish(&channel, &queue, events).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "floor".into(), options, FieldTable::default())
        .await?;
    let took = drain(&pool, &mut consumer, events.len()).await;
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    took
}

async fn publish(channel: &Channel, queue: &str, events: &[Message]) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for window in events.chunks(1_000) {
        let mut confirms = Vec::with_capacity(window.len());
        for event in window {
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_type(event.kind.as_str().into());
            let options = BasicPublishOptions::default();
            confirms.push(
                channel
                    .basic_publish("".into(), queue.into(), options, &event.body, properties)
                    .await?,
            );
        }
        for confirm in confirms {
            confirm.await?;
        }
    }
    Ok(())
}

async fn drain(pool: &PgPool, consumer: &mut Consumer, count: usize) -> anyhow::Result<Duration> {
    let (mut done, mut first) = (0, None);
    while done < count {
        let mut batch = vec![consumer.next().await.context("the queue ended")??];
        while batch.len() < usize::from(PREFETCH) && done + batch.len() < count {
            // What has arrived, as the service takes it.
            match futures_util::FutureExt::now_or_never(consumer.next()) {
                Some(Some(delivery)) => batch.push(delivery?),
                Some(None) | None => break,
            }
        }
        let written = upsert(pool, &batch, i64::try_from(done)?).await?;
        ensure!(written == i64::try_from(batch.len())?, "a batch was not written");
        let last = batch.pop().context("an empty batch")?;
        done += batch.len() + 1;
        last.ack(BasicAckOptions { multiple: true }).await?;
        first.get_or_insert_with(|| (Instant::now(), done));
    }
    let (start, at_first) = first.context("nothing was written")?;
    let share = f64::from(u32::try_from(count)?) / f64::from(u32::try_from(count - at_first)?);
    Ok(start.elapsed().mul_f64(share))
}

async fn upsert(
    pool: &PgPool,
    batch: &[lapin::message::Delivery],
    done: i64,
) -> anyhow::Result<i64> {
    let (mut ids, mut organizations, mut issues) = (vec![], vec![], vec![]);
    let (mut members, mut cycles, mut paid, mut ordinals) = (vec![], vec![], vec![], vec![]);
    for (ordinal, delivery) in (done + 1..).zip(batch) {
        let word = delivery.properties.kind().as_ref().map(ToString::to_string);
        let is_payment = word.as_deref() == Some(kind::PAYOUT_ISSUE_PAID);
        let (id, organization, issue, member, cycle) = if is_payment {
            let event = decode::<EarningState>(&delivery.data).context("a payment")?;
            let state = event.data;
            (event.id, event.organizationid, state.issue_id, state.payee_id, state.cycle_id)
        } else {
            let event = decode::<IssueState>(&delivery.data).context("an issue")?;
            let state = event.data;
            (event.id, event.organizationid, state.issue_id, state.reporter_id, state.cycle_id)
        };
        ids.push(id);
        organizations.push(organization);
        issues.push(issue);
        members.push(member);
        cycles.push(cycle);
        paid.push(is_payment);
        ordinals.push(ordinal);
    }
    let written = sqlx::query_scalar(UPSERT)
        .bind(ids)
        .bind(organizations)
        .bind(issues)
        .bind(members)
        .bind(cycles)
        .bind(paid)
        .bind(ordinals)
        .fetch_one(pool)
        .await?;
    Ok(written)
}
