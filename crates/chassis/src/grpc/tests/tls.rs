use std::path::PathBuf;

use quittance_kernel::Role;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tonic::Code;

use super::harness::{GET, Harness, authorized, call};
use crate::config::{self, Tls};
use crate::grpc::{Client, ClientError, client, secured};

/// An authority, and the files of those whom it has certified.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    files: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let files = TempDir::new().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(files.path().join("ca.crt"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), files }
    }

    /// What somebody of this name shows, and whom they believe.
    fn certify(&self, name: &str, believes: &Self) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |ending: &str, text: String| -> PathBuf {
            let path = self.files.path().join(format!("{name}.{ending}"));
            std::fs::write(&path, text).unwrap();
            path
        };
        Tls {
            cert_file: Some(file("crt", certificate.pem())),
            key_file: Some(file("key", key.serialize_pem())),
            ca_file: Some(believes.files.path().join("ca.crt")),
        }
    }
}

#[tokio::test]
async fn only_whoever_has_a_certificate_of_our_authority_is_talked_to() {
    crate::run::install_tls();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Harness::with(config::Grpc::default(), ours.certify("localhost", &ours)).await;
    let https = format!("https://localhost:{}", server.address.port());
    let token = server.token(&[Role::Admin], None);
    let ask = async |client: Client| call(client, GET, authorized("hello", &token)).await;

    let gateway = ours.certify("gateway", &ours);
    assert!(ask(secured(&https, &gateway).unwrap()).await.is_ok());
    assert_eq!(server.calls(), 1);

    let stranger = theirs.certify("gateway", &ours);
    // Somebody with a certificate of another authority, and somebody without TLS.
    for nobody in [secured(&https, &stranger).unwrap(), server.client()] {
        let refused = ask(nobody).await.unwrap_err();
        assert_ne!(refused.code(), Code::Unauthenticated, "the token was not even looked at");
    }
    // A server that we do not believe, and one that has another name.
    let distrusting = ours.certify("balance", &theirs);
    assert!(ask(secured(&https, &distrusting).unwrap()).await.is_err());
    let elsewhere = format!("https://127.0.0.1:{}", server.address.port());
    assert!(ask(secured(&elsewhere, &gateway).unwrap()).await.is_err());
    assert_eq!(server.calls(), 1);
    server.stop().await;
}

#[tokio::test]
async fn half_a_configuration_of_tls_is_refused() {
    let nothing = client("https://localhost:1").unwrap_err();
    assert!(matches!(nothing, ClientError::Tls(_)), "{nothing}");
    let ours = Authority::new();
    let whole = ours.certify("localhost", &ours);
    for (half, key) in [
        (Tls { cert_file: None, ..whole.clone() }, "tls.cert_file"),
        (Tls { key_file: None, ..whole.clone() }, "tls.key_file"),
        (Tls { ca_file: None, ..whole.clone() }, "tls.ca_file"),
        (Tls { ca_file: Some("nowhere.crt".into()), ..whole.clone() }, "tls.ca_file"),
    ] {
        let Err(ClientError::Config(refused)) = secured("https://localhost:1", &half) else {
            panic!("{key} was not missed")
        };
        assert!(refused.to_string().contains(key), "{refused}");
        let server = Harness::with(config::Grpc::default(), half).await;
        assert!(server.task.await.unwrap().is_err());
    }
}
