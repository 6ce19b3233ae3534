//! Keys by which programs of members call.

use std::time::Duration;

use quittance_chassis::db::Tx;
use quittance_issues::domain::api_key::NewApiKey;
use quittance_kernel::{Ctx, Principal, Role};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::fixture::{World, foreigner, noon, reason, worlds};

fn new(roles: &[Role]) -> NewApiKey {
    NewApiKey { name: "CI".to_owned(), roles: roles.to_vec(), ..NewApiKey::default() }
}

fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// The gateway, some time after noon.
fn desk(world: &World, after: Duration) -> Ctx {
    let principal = Principal::service(world.admin.organization());
    Ctx::new(principal, noon() + after, "desk".to_owned())
}

#[tokio::test]
async fn a_key_stands_for_its_member_until_it_is_revoked() {
    for world in worlds().await {
        let now = desk(&world, Duration::from_secs(5));
        let (key, secret) = world.issues.create_api_key(&world.admin, &new(&[])).await.unwrap();
        let secret = secret.expose_secret();
        assert!(secret.starts_with("qk_") && secret.len() == 46, "{}", secret.len());
        assert!(secret.starts_with(&key.start) && key.start.len() == 8);
        let (found, member) = world.issues.resolve_api_key(&now, &digest(secret)).await.unwrap();
        assert_eq!((found.id, member.id), (key.id, world.admin.member()));
        assert!(member.roles.has(Role::Admin));
        let listed = world.issues.list_api_keys(&world.admin).await.unwrap();
        assert_eq!(listed.first().and_then(|key| key.last_used_at), Some(now.now));
        // Another one is not found by the next guess, nor by somebody else.
        let guess = world.issues.resolve_api_key(&now, &digest("qk_guess")).await;
        assert_eq!(reason(guess), "API_KEY_INVALID");
        let spy = foreigner(&world.issues).await;
        for other in [&world.aibek, &spy] {
            let refused = world.issues.revoke_api_key(other, key.id).await;
            assert_eq!(reason(refused), "API_KEY_NOT_FOUND");
            assert!(world.issues.list_api_keys(other).await.unwrap().is_empty());
        }
        let revoked = world.issues.revoke_api_key(&world.admin, key.id).await.unwrap();
        assert_eq!(world.issues.revoke_api_key(&world.admin, key.id).await.unwrap(), revoked);
        let refused = world.issues.resolve_api_key(&now, &digest(secret)).await;
        assert_eq!(reason(refused), "API_KEY_INVALID");
        // The secret is nowhere; what happened is in the audit log.
        let holds = format!("SELECT count(*) FROM api_keys WHERE digest = '{secret}'");
        assert_eq!(world.count(&holds).await, 0);
        for action in ["api_key.created", "api_key.revoked"] {
            let row = format!("SELECT count(*) FROM audit_log WHERE action = '{action}'");
            assert_eq!(world.count(&row).await, 1, "{action}");
        }
    }
}

#[tokio::test]
async fn a_key_is_no_more_than_its_member_and_not_for_ever() {
    for world in worlds().await {
        let refused = world.issues.create_api_key(&world.aibek, &new(&[Role::Admin])).await;
        assert_eq!(reason(refused.map(|_| ())), "API_KEY_ROLES");
        let mut viewer = world.aibek.clone();
        viewer.principal.impersonator = Some(world.admin.member());
        let refused = world.issues.create_api_key(&viewer, &new(&[])).await;
        assert_eq!(reason(refused.map(|_| ())), "IMPERSONATION_READ_ONLY");
        let made = world.issues.create_api_key(&world.lead, &new(&[Role::Lead])).await;
        let secret = digest(made.unwrap().1.expose_secret());
        let day = Duration::from_hours(24);
        world.issues.resolve_api_key(&desk(&world, 89 * day), &secret).await.unwrap();
        let late = world.issues.resolve_api_key(&desk(&world, 90 * day), &secret).await;
        assert_eq!(reason(late), "API_KEY_INVALID");
        // The member is no lead any more, nor is the key.
        let tx = Tx::begin(&world.db, &world.admin).await.unwrap();
        let sql = "UPDATE members SET roles = 'member' WHERE id = $1";
        let id = world.lead.member().0;
        let demote = sea_orm::Statement::from_sql_and_values(world.db.backend(), sql, [id.into()]);
        sea_orm::ConnectionTrait::execute_raw(tx.conn(), demote).await.unwrap();
        tx.commit().await.unwrap();
        let now = desk(&world, Duration::from_secs(5));
        let refused = world.issues.resolve_api_key(&now, &secret).await;
        assert_eq!(reason(refused), "API_KEY_INVALID");
    }
}
