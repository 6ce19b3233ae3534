//! Identities of a provider, and who viewed as whom.

use std::time::Duration;

use futures_util::future::join_all;
use quittance_issues::app::Looked;
use quittance_issues::domain::identity::ExternalIdentity;
use quittance_kernel::{Ctx, Role};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::fixture::{World, foreigner, member, noon, reason, worlds};

fn identity(world: &World, subject: &str, email: &str) -> ExternalIdentity {
    ExternalIdentity {
        organization: world.admin.organization(),
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        email: email.to_owned(),
        email_verified: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_first_sign_ins_link_once() {
    for world in worlds().await {
        // Half of them are somebody else with the same address: one of the two is the member for good.
        let email = "aibek@example.com";
        let all = (0..200).map(|number| {
            let (issues, ctx) = (world.issues.clone(), world.admin.clone());
            let identity = identity(&world, ["one", "two"][number % 2], email);
            tokio::spawn(async move {
                (identity.subject.clone(), issues.sign_in(&ctx, &identity).await)
            })
        });
        let (mut linked, mut winner, mut refused) = (0, String::new(), Vec::new());
        for result in join_all(all).await {
            match result.unwrap() {
                (subject, Ok((found, first))) => {
                    assert_eq!(found.id, world.aibek.member());
                    assert!(winner.is_empty() || winner == subject, "both are the member");
                    winner = subject;
                    linked += u8::from(first);
                }
                (subject, error) => refused.push((subject, reason(error))),
            }
        }
        assert_eq!((linked, refused.len()), (1, 100));
        assert!(refused.iter().all(|(who, why)| *who != winner && *why == "IDENTITY_CONFLICT"));
        assert_eq!(world.count("SELECT count(*) FROM member_identities").await, 1);
        let audited = "SELECT count(*) FROM audit_log WHERE action = ";
        assert_eq!(world.count(&format!("{audited}'member.linked'")).await, 1);
        assert_eq!(world.count(&format!("{audited}'member.link_refused'")).await, 100);

        // An identity belongs to one member of an organization, whatever address it shows.
        let subject = if winner == "one" { "two" } else { "one" };
        let nazira = identity(&world, subject, "nazira@example.com");
        assert!(world.issues.sign_in(&world.admin, &nazira).await.unwrap().1);
        let again = identity(&world, &winner, "nazira@example.com");
        let (found, first) = world.issues.sign_in(&world.admin, &again).await.unwrap();
        assert_eq!((found.id, first), (world.aibek.member(), false));
    }
}

fn viewing(world: &World, as_whom: &Ctx) -> Ctx {
    let mut viewer = as_whom.clone();
    viewer.principal.impersonator = Some(world.admin.member());
    viewer
}

#[tokio::test]
async fn what_is_looked_at_is_written_down_until_the_time_is_over() {
    for world in worlds().await {
        let start = |by: &Ctx, whom: &Ctx| {
            let (issues, by, whom) = (world.issues.clone(), by.clone(), whom.member());
            async move { issues.start_impersonation(&by, whom, "a question").await }
        };
        let (begun, dana) = start(&world.admin, &world.aibek).await.unwrap();
        assert_eq!((dana.id, begun.reason.as_str()), (world.aibek.member(), "a question"));
        let viewer = viewing(&world, &world.aibek);
        let look = |who: &Ctx, refused| {
            let (issues, who) = (world.issues.clone(), who.clone());
            let looked = Looked { method: "GET".into(), path: "/api/me".into(), refused };
            async move { issues.note_impersonation(&who, begun.id, &looked).await }
        };
        look(&viewer, false).await.unwrap();
        look(&viewer, true).await.unwrap();
        assert_eq!(look(&viewer, false).await.unwrap().reads, 1);
        let row = "SELECT count(*) FROM audit_log WHERE action = 'impersonation.read' \
                   AND impersonator_id <> actor_id AND after LIKE '%/api/me%'";
        assert_eq!(world.count(row).await, 2);

        let mut late = viewer.clone();
        late.now = noon() + Duration::from_mins(15);
        let spy = foreigner(&world.issues).await;
        let mut abroad = viewing(&world, &world.aibek);
        abroad.principal.organization = spy.organization();
        for who in [&late, &world.aibek, &world.admin, &viewing(&world, &world.nazira), &abroad] {
            assert_eq!(reason(look(who, false).await), "IMPERSONATION_ENDED");
        }
        assert_eq!(world.count(row).await, 2);
        // Nobody ends what is not theirs.
        let other = member(&world.issues, "Demo", "other", Role::Admin).await;
        for who in [&world.aibek, &other, &spy, &abroad] {
            let refused = world.issues.end_impersonation(who, Some(begun.id)).await;
            assert_eq!(reason(refused), "IMPERSONATION_ENDED");
        }
        assert_eq!(world.issues.end_impersonation(&world.admin, None).await.unwrap(), 1);
        assert_eq!(reason(look(&viewer, false).await), "IMPERSONATION_ENDED");
        let refused = start(&viewer, &world.nazira).await;
        assert_eq!(reason(refused), "IMPERSONATION_READ_ONLY");
        let refused = start(&spy, &world.aibek).await;
        assert_eq!(reason(refused), "MEMBER_NOT_FOUND");

        // The database itself keeps a second identity and a view of oneself out.
        let sql = "UPDATE impersonations SET member_id = admin_id";
        let statement = Statement::from_string(world.db.backend(), sql);
        assert!(world.db.conn().execute_raw(statement).await.is_err());
    }
}
