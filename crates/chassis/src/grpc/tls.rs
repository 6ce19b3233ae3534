//! Mutual TLS between the services: each shows a certificate of the installation's own authority,
//! and talks to nobody who has none.

use std::path::Path;

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::config::{ConfigError, Tls};

/// What a process shows, and whom it believes. They are read once: a certificate that was renewed
/// is shown after a restart.
struct Material {
    identity: Identity,
    authority: Certificate,
}

/// What a server needs; nothing if TLS is off.
pub(super) fn server(tls: &Tls) -> Result<Option<ServerTlsConfig>, ConfigError> {
    let config = |material: Material| {
        // A client without a certificate is refused before it has said anything.
        ServerTlsConfig::new().identity(material.identity).client_ca_root(material.authority)
    };
    Ok(read(tls)?.map(config))
}

/// What a client needs; nothing if TLS is off.
pub(super) fn client(tls: &Tls) -> Result<Option<ClientTlsConfig>, ConfigError> {
    let config = |material: Material| {
        ClientTlsConfig::new().identity(material.identity).ca_certificate(material.authority)
    };
    Ok(read(tls)?.map(config))
}

fn read(tls: &Tls) -> Result<Option<Material>, ConfigError> {
    match (&tls.cert_file, &tls.key_file, &tls.ca_file) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(ca)) => {
            let (cert, key) = (file("tls.cert_file", cert)?, file("tls.key_file", key)?);
            let authority = Certificate::from_pem(file("tls.ca_file", ca)?);
            Ok(Some(Material { identity: Identity::from_pem(cert, key), authority }))
        }
        (cert, key, _) => {
            let missing = match (cert, key) {
                (None, _) => "tls.cert_file",
                (_, None) => "tls.key_file",
                (Some(_), Some(_)) => "tls.ca_file",
            };
            let problem = "must be set: certificate, key and authority belong together".to_owned();
            Err(ConfigError::Refused { key: missing, problem })
        }
    }
}

fn file(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| ConfigError::Refused {
        key,
        problem: format!("names {}, which cannot be read: {error}", path.display()),
    })
}
