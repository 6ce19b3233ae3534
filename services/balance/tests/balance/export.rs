//! The CSV file of a payee.

use chrono::TimeDelta;
use quittance_balance::Period;
use quittance_kernel::{CycleId, MemberId, OrganizationId, PayoutStatus, Severity};
use sha2::{Digest as _, Sha256};

use crate::events::{RATES, Work, cycle};
use crate::world::{ctx, noon, whole, worlds};

fn rows(file: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(file.as_bytes());
    reader.records().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_void_is_a_line_of_its_own_and_a_period_excludes_its_end() {
    for world in worlds().await {
        let (organization, member, sweep) =
            (OrganizationId::new(), MemberId::new(), CycleId::new());
        let (paid, voided) = (noon(), noon() + TimeDelta::hours(1));
        let work = Work {
            title: "=HYPERLINK(\"http://x\",\"y\")".into(),
            ..Work::new(organization, member, sweep, Severity::High)
        };
        world.given(&[cycle(organization, sweep, 1, "Sweep, \"the first\"", RATES)]).await;
        world.given(&work.paid(paid)).await;
        world.given(&[work.earning(3, PayoutStatus::Void, Some(paid), voided)]).await;
        let ctx = ctx(organization, member);
        let of = async |from, to| {
            let file = whole(world.export(&ctx, Period { from, to }, false)).await;
            rows(&file).iter().map(|row| row[4].to_owned()).collect::<Vec<_>>()
        };

        let all = whole(world.export(&ctx, Period::ALL, false)).await;

        assert_eq!(
            all,
            "date,cycle,issue,severity,amount,currency,method,reference\r\n\
             2026-05-08T12:00:00Z,\"Sweep, \"\"the first\"\"\",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",\
             high,8000.00,KZT,kaspi,KASPI-1\r\n\
             2026-05-08T13:00:00Z,\"Sweep, \"\"the first\"\"\",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",\
             high,-8000.00,KZT,kaspi,KASPI-1\r\n"
        );
        let micro = TimeDelta::microseconds(1);
        assert_eq!(of(paid, voided).await, ["8000.00"]);
        assert_eq!(of(paid, voided + micro).await, ["8000.00", "-8000.00"]);
        assert_eq!(of(paid + micro, voided + micro).await, ["-8000.00"]);
        assert_eq!(of(paid, paid).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap_and_the_trailer_proves_it() {
    for world in worlds().await {
        let (organization, member, sweep) =
            (OrganizationId::new(), MemberId::new(), CycleId::new());
        let mut events = Vec::new();
        // Many at the same instant, some of them voided at the very same one. The first page, of
        // 200 rows, ends between a payment and what takes it back.
        for number in 0_i64..650 {
            let at = noon() + TimeDelta::seconds(number / 130);
            let mut work = Work::new(organization, member, sweep, Severity::Low);
            work.title = format!("Issue {number}");
            work.amount = 1_000 + number;
            events.extend(work.paid(at));
            if number % 5 == 1 {
                events.push(work.earning(3, PayoutStatus::Void, Some(at), at));
            }
        }
        world.given(&events).await;

        let file = whole(world.export(&ctx(organization, member), Period::ALL, true)).await;

        let rows = rows(&file);
        assert_eq!(rows.len(), 780);
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
        for number in 0_i64..650 {
            let title = format!("Issue {number}");
            let amounts: Vec<_> =
                rows.iter().filter(|row| row[2] == title).map(|row| row[4].to_owned()).collect();
            let decimal = format!("{}.{:02}", (1_000 + number) / 100, (1_000 + number) % 100);
            let expected = if number % 5 == 1 {
                vec![decimal.clone(), format!("-{decimal}")]
            } else {
                vec![decimal]
            };
            assert_eq!(amounts, expected);
        }
        let sum: i64 = (0..650).filter(|n| n % 5 != 1).map(|n| 1_000 + n).sum();
        let (body, trailer) = file.split_once("# rows: ").unwrap();
        let digest = hex::encode(Sha256::digest(body.as_bytes()));
        let sum = format!("{}.{:02}", sum / 100, sum % 100);
        assert_eq!(trailer, format!("780\r\n# sum KZT: {sum}\r\n# sha256: {digest}\r\n"));
    }
}

#[tokio::test]
async fn a_payee_without_payments_gets_the_header_alone() {
    for world in worlds().await {
        let nobody = ctx(OrganizationId::new(), MemberId::new());
        let file = whole(world.export(&nobody, Period::ALL, false)).await;
        assert_eq!(file, "date,cycle,issue,severity,amount,currency,method,reference\r\n");
    }
}
