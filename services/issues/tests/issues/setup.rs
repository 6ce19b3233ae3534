//! Members, products and cycles.

use quittance_chassis::db::{Db, outbox};
use quittance_events::{CycleState, decode};
use quittance_issues::Issues;
use quittance_issues::app::{Answer, CyclePatch, Identity, NewProduct, ProductPatch};
use quittance_issues::domain::rates::Overrides;
use quittance_kernel::{Currency, MemberId, Severity};

use crate::fixture::{noon, reason, worlds};

#[tokio::test]
async fn signing_in_twice_is_the_same_member() {
    for world in worlds().await {
        let identity = Identity {
            email: " Dana@Example.com ".into(),
            organization: "Elsewhere".into(),
            ..Identity::default()
        };
        let ensure = |identity: Identity| {
            let issues = world.issues.clone();
            async move { issues.ensure_member(&identity, noon(), "test").await }
        };
        let first = ensure(identity.clone()).await.unwrap();
        assert_eq!((first.name.as_str(), first.email.as_str()), ("dana", "dana@example.com"));
        assert_eq!(first.version, 1);
        assert_eq!(ensure(identity.clone()).await.unwrap(), first);
        let roles = vec!["admin".to_owned(), "member".to_owned()];
        let changed = ensure(Identity { roles, ..identity.clone() }).await.unwrap();
        assert_eq!((changed.id, changed.version), (first.id, 2));
        assert_eq!(ensure(identity.clone()).await.unwrap(), changed);

        let elsewhere = Identity { organization: String::new(), ..identity.clone() };
        assert_ne!(ensure(elsewhere).await.unwrap().id, first.id);
        let roles = vec!["king".to_owned()];
        assert_eq!(reason(ensure(Identity { roles, ..identity.clone() }).await), "INVALID_FIELD");
        let nobody = Identity { email: "nobody".into(), ..identity };
        assert_eq!(reason(ensure(nobody).await), "INVALID_FIELD");
    }
}

#[tokio::test]
async fn racing_sign_ins_make_one_member() {
    for world in worlds().await {
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let issues = world.issues.clone();
            let identity = Identity {
                email: "race@example.com".into(),
                organization: "Race".into(),
                ..Identity::default()
            };
            racing.spawn(async move {
                issues.ensure_member(&identity, noon(), "test").await.unwrap().id
            });
        }
        let ids = racing.join_all().await;
        assert!(ids.iter().all(|id| *id == ids[0]));
        let organizations = "SELECT count(*) FROM organizations WHERE name = 'Race'";
        assert_eq!(world.count(organizations).await, 1);
    }
}

#[tokio::test]
async fn production_signs_nobody_in_so() {
    for world in worlds().await {
        let issues = Issues::new(Db::clone(&world.db), false);
        let identity = Identity { email: "a@example.com".into(), ..Identity::default() };
        let refused = issues.ensure_member(&identity, noon(), "test").await;
        assert_eq!(reason(refused), "DEVELOPMENT_ONLY");
        assert_eq!(world.count("SELECT count(*) FROM members").await, 4);
    }
}

#[tokio::test]
async fn a_product_key_is_taken_once() {
    for world in worlds().await {
        let new = |key: &str, fee| NewProduct {
            name: "Shop".into(),
            key: key.into(),
            requires_verification: Some(true),
            platform_fee_bps: fee,
            capacity_points: None,
        };
        let create = |new| world.issues.create_product(&world.admin, new, Answer::forgotten());
        assert_eq!(reason(create(new("SHP", None)).await), "PRODUCT_KEY_TAKEN");
        assert_eq!(reason(create(new("shp", None)).await), "INVALID_FIELD");
        assert_eq!(reason(create(new("WEB", Some(10_001))).await), "INVALID_FIELD");
        let made = create(new("WEB", None)).await.unwrap();
        assert_eq!((made.platform_fee_bps, made.requires_verification), (1_000, Some(true)));

        let update =
            |patch| world.issues.update_product(&world.admin, made.id, patch, Answer::forgotten());
        let patch = ProductPatch { version: 7, ..ProductPatch::default() };
        assert_eq!(reason(update(patch).await), "STALE_VERSION");
        let patch = ProductPatch {
            version: 1,
            requires_verification: Some(false),
            ..ProductPatch::default()
        };
        let changed = update(patch).await.unwrap();
        assert_eq!((changed.version, changed.requires_verification), (2, Some(false)));
        assert_eq!(world.issues.get_product(&world.aibek, made.id).await.unwrap(), changed);
    }
}

#[tokio::test]
async fn a_cycle_carries_its_own_rates_and_crew() {
    for world in worlds().await {
        let update = |patch| {
            world.issues.update_cycle(&world.admin, world.cycle, patch, Answer::forgotten())
        };
        let dollars = [Some(5_000), Some(4_000), Some(3_000), Some(2_000)];
        let rates = Overrides::new(Currency::USD, dollars).unwrap();
        let patch = CyclePatch {
            rates: Some(rates.clone()),
            members: Some(vec![world.aibek.member(), world.lead.member()]),
            ..CyclePatch::default()
        };
        let changed = update(patch).await.unwrap();
        assert_eq!((changed.cycle.version, &changed.cycle.rates), (2, &rates));
        assert_eq!(changed.cycle.crew.leads(), [world.lead.member()]);
        assert_eq!(changed.cycle.crew.members(), [world.aibek.member()]);
        let seen = world.issues.get_cycle(&world.aibek, world.cycle).await.unwrap();
        assert_eq!(seen, changed);

        let issue = world.file(&world.aibek, Severity::High).await;
        let approved = world.approve(&world.lead, issue).await.unwrap();
        assert_eq!(approved.issue.review.rule(), Some("cycle override, high"));
        assert_eq!(approved.issue.review.amount().unwrap().to_string(), "40.00 USD");

        let window = outbox::window(&world.db, 1_000).await.unwrap();
        let told = window.iter().rfind(|(_, message)| message.kind == "cycle.updated").unwrap();
        let state = decode::<CycleState>(&told.1.body).unwrap().data;
        assert_eq!((state.version, state.open), (2, true));
        assert_eq!((state.rates.currency.as_str(), state.rates.low), ("USD", 2_000));

        let back = update(CyclePatch { rates: Some(None), ..CyclePatch::default() }).await;
        assert_eq!(back.unwrap().cycle.rates, None);
        let stranger = Some(vec![MemberId::new()]);
        let patch = CyclePatch { leads: stranger, ..CyclePatch::default() };
        assert_eq!(reason(update(patch).await), "INVALID_FIELD");
        let patch = CyclePatch { version: 1, ..CyclePatch::default() };
        assert_eq!(reason(update(patch).await), "STALE_VERSION");
    }
}
