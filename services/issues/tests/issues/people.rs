//! Members, their roles and cycles; and the history of rates.

use quittance_issues::app::{Answer, CyclePatch, MemberPatch, Paging};
use quittance_issues::domain::rates::Overrides;
use quittance_issues::error::Error;
use quittance_kernel::{Ctx, Currency, MemberId, Role};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::fixture::{World, cycle, foreigner, member, reason, worlds};

async fn give(world: &World, by: &Ctx, to: MemberId, roles: &[&str]) -> Result<i64, Error> {
    let roles = Some(roles.iter().map(|role| (*role).to_owned()).collect());
    let patch = MemberPatch { roles, ..MemberPatch::default() };
    let changed = world.issues.update_member(by, to, patch, Answer::forgotten()).await;
    changed.map(|member| member.version)
}

#[tokio::test]
async fn an_organization_keeps_an_admin_whoever_gives_up_first() {
    for world in worlds().await {
        let boss = world.admin.member();
        // A platform admin is no admin of the organization.
        member(&world.issues, "Demo", "operator", Role::PlatformAdmin).await;
        assert_eq!(reason(give(&world, &world.admin, boss, &["member"]).await), "LAST_ADMIN");
        assert_eq!(give(&world, &world.admin, boss, &["admin", "lead"]).await.unwrap(), 2);
        for _ in 0..5 {
            let deputy = member(&world.issues, "Demo", "deputy", Role::Admin).await;
            let (one, other) = tokio::join!(
                give(&world, &world.admin, boss, &["member"]),
                give(&world, &deputy, deputy.member(), &["member"])
            );
            assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
            give(&world, &world.admin, boss, &["admin"]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn roles_and_names_are_checked_and_versions_compared() {
    for world in worlds().await {
        let aibek = world.aibek.member();
        for roles in [&[][..], &["king"], &["member", "platform_admin"], &["service"]] {
            let refused = give(&world, &world.admin, aibek, roles).await;
            assert_eq!(reason(refused), "INVALID_FIELD", "{roles:?}");
        }
        let update =
            |patch| world.issues.update_member(&world.admin, aibek, patch, Answer::forgotten());
        let name = Some(" Aibek B. ".to_owned());
        let patch = MemberPatch { version: 1, name, roles: None };
        let changed = update(patch.clone()).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.version), ("Aibek B.", 2));
        assert!(changed.roles.has(Role::Member));
        assert_eq!(reason(update(patch).await), "STALE_VERSION");
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'member.updated' \
                       AND event_id IS NOT NULL";
        assert_eq!(world.count(audited).await, 5);
        let spy = foreigner(&world.issues).await;
        assert_eq!(reason(give(&world, &spy, aibek, &["admin"]).await), "MEMBER_NOT_FOUND");
    }
}

#[tokio::test]
async fn an_assignment_is_made_once_changed_and_taken_back() {
    for world in worlds().await {
        let aibek = world.aibek.member();
        let second = cycle(&world.issues, &world.admin, world.product, vec![]).await.cycle.id;
        let assign = |cycle, lead| world.issues.assign_member(&world.admin, cycle, aibek, lead);
        assert_eq!(assign(world.cycle, Some(false)).await.unwrap().cycle.version, 2);
        assert_eq!(assign(world.cycle, Some(false)).await.unwrap().cycle.version, 2);
        let led = assign(second, Some(true)).await.unwrap();
        assert_eq!(led.cycle.crew.leads(), [aibek]);

        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let paging = Paging { size: 1, token };
            let page = world.issues.member_cycles(&world.admin, aibek, &paging).await.unwrap();
            seen.extend(page.items.iter().map(|item| item.cycle.id));
            token = page.next;
            if token.is_empty() {
                break;
            }
        }
        seen.sort_unstable();
        let mut both = [world.cycle, second];
        both.sort_unstable();
        assert_eq!(seen, both);
        assert_eq!(assign(world.cycle, None).await.unwrap().cycle.version, 3);
        assert_eq!(assign(world.cycle, None).await.unwrap().cycle.version, 3);
        // The other lead has stayed.
        let left = world.issues.get_cycle(&world.admin, world.cycle).await.unwrap().cycle.crew;
        assert_eq!((left.leads(), left.members()), (&[world.lead.member()][..], &[][..]));
        let stranger = MemberId::new();
        let refused = world.issues.assign_member(&world.admin, second, stranger, Some(true)).await;
        assert_eq!(reason(refused), "MEMBER_NOT_FOUND");
        let spy = foreigner(&world.issues).await;
        let refused = world.issues.assign_member(&spy, second, spy.member(), Some(true)).await;
        assert_eq!(reason(refused), "CYCLE_NOT_FOUND");
        let cycles = world.issues.member_cycles(&spy, aibek, &Paging::default()).await;
        assert_eq!(reason(cycles), "MEMBER_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_history_of_rates_is_complete_and_cannot_be_changed() {
    for world in worlds().await {
        let set = |rates| {
            let patch = CyclePatch { rates: Some(rates), ..CyclePatch::default() };
            world.issues.update_cycle(&world.admin, world.cycle, patch, Answer::forgotten())
        };
        let tenge = Overrides::new(Currency::KZT, [None, Some(900_000), None, None]).unwrap();
        let dollars = Overrides::new(Currency::USD, [Some(4), Some(3), Some(2), Some(1)]).unwrap();
        for rates in [tenge.clone(), tenge.clone(), dollars.clone(), None] {
            set(rates).await.unwrap();
        }
        let list = |who: &Ctx, token: String| {
            let (issues, who, cycle) = (world.issues.clone(), who.clone(), world.cycle);
            async move { issues.rate_changes(&who, cycle, &Paging { size: 2, token }).await }
        };
        let first = list(&world.lead, String::new()).await.unwrap();
        let rest = list(&world.lead, first.next).await.unwrap();
        let all = first.items.iter().chain(&rest.items);
        let sides: Vec<_> = all.map(|c| (c.before.clone(), c.after.clone())).collect();
        // The second change changed nothing.
        let expected = [(dollars.clone(), None), (tenge.clone(), dollars), (None, tenge)];
        assert_eq!(sides, expected);
        assert_eq!((rest.next.as_str(), rest.items[0].by_name.as_str()), ("", "boss"));
        assert_eq!(rest.items[0].by, world.admin.member());

        // A lead of another cycle, and another organization, see nothing.
        let other = member(&world.issues, "Demo", "other", Role::Lead).await;
        assert_eq!(reason(list(&other, String::new()).await), "CYCLE_NOT_FOUND");
        let spy = foreigner(&world.issues).await;
        assert_eq!(reason(list(&spy, String::new()).await), "CYCLE_NOT_FOUND");
        for sql in ["UPDATE cycle_rate_changes SET after_low = 1", "DELETE FROM cycle_rate_changes"]
        {
            let statement = Statement::from_string(world.db.backend(), sql);
            let refused = world.db.conn().execute_raw(statement).await.unwrap_err();
            assert!(refused.to_string().contains("append-only"), "{refused}");
        }
    }
}
