//! The keys that seal account numbers at rest.
//!
//! XChaCha20-Poly1305: its nonces are long enough to be random. What is sealed is bound to its row
//! (organization, member, method), so that it cannot be moved to another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use quittance_chassis::config::{Config, ConfigError, Mode};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

const NONCE: usize = 24;

/// What an installation for development seals with, mixed with its secret.
const DEVELOPMENT: &str = "quittance development accounts";

/// Something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of an account cannot be {0}")]
pub struct SealError(&'static str);

/// A sealed number, and the key that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) key: String,
    /// Nonce and ciphertext, in hex.
    pub(crate) text: String,
}

/// The keys of an installation: the first seals, all of them open. Without keys nothing is sealed.
#[derive(Clone, Default)]
pub struct Keyring(Vec<(String, XChaCha20Poly1305)>);

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl Keyring {
    /// Reads the keys. Production refuses to do without; development has a key of its own.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let refused = |problem: &str| ConfigError::Refused {
            key: "accounts.keys",
            problem: problem.to_owned(),
        };
        match (&config.accounts.keys, config.mode) {
            (Some(keys), _) => Self::parse(keys.expose_secret()).map_err(refused),
            (None, Mode::Production) => Err(refused("must be set in production")),
            (None, Mode::Development) => {
                let mut hash = Sha256::new_with_prefix(DEVELOPMENT);
                if let Some(secret) = &config.auth.dev_secret {
                    hash.update(secret.expose_secret());
                }
                let key: [u8; 32] = hash.finalize().into();
                Ok(Self(vec![("development".to_owned(), cipher(key))]))
            }
        }
    }

    /// Reads `id:key,id:key`. What is wrong is told without the keys.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut keys: Vec<(String, XChaCha20Poly1305)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (id, key) = part.split_once(':').ok_or("must be id:key, separated by commas")?;
            let key = STANDARD.decode(key.trim()).map_err(|_| "must hold keys in base64")?;
            let key: [u8; 32] = key.try_into().map_err(|_| "must hold keys of 32 bytes")?;
            let id = id.trim();
            if id.is_empty() || keys.iter().any(|(other, _)| other == id) {
                return Err("must give each key an id of its own");
            }
            keys.push((id.to_owned(), cipher(key)));
        }
        Ok(Self(keys))
    }

    /// The id of the key that seals.
    pub(crate) fn current(&self) -> Result<&str, SealError> {
        self.0.first().map(|(id, _)| id.as_str()).ok_or(SealError("sealed: there is no key"))
    }

    /// Seals a text for the row that `bound` names.
    pub(crate) fn seal(&self, bound: &str, plain: &str) -> Result<Sealed, SealError> {
        let (id, cipher) = self.0.first().ok_or(SealError("sealed: there is no key"))?;
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: plain.as_bytes(), aad: bound.as_bytes() };
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError("sealed"))?;
        let text = hex::encode([nonce.as_slice(), &sealed].concat());
        Ok(Sealed { key: id.clone(), text })
    }

    /// Opens what was sealed for the same row.
    pub(crate) fn open(&self, bound: &str, sealed: &Sealed) -> Result<String, SealError> {
        let known = self.0.iter().find(|(id, _)| *id == sealed.key);
        let (_, cipher) = known.ok_or(SealError("opened: its key is not configured"))?;
        let bytes = hex::decode(&sealed.text).map_err(|_| SealError("opened"))?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>().ok_or(SealError("opened"))?;
        let payload = Payload { msg: text, aad: bound.as_bytes() };
        let plain =
            cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError("opened"))?;
        String::from_utf8(plain).map_err(|_| SealError("opened"))
    }
}

fn cipher(key: [u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(key))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn keys(text: &str) -> Result<Keyring, String> {
        let mut config = Config { mode: Mode::Production, ..Config::default() };
        config.accounts.keys = Some(SecretString::from(text));
        Keyring::from_config(&config).map_err(|error| error.to_string())
    }

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn a_sealed_number_opens_for_its_row_with_its_key_and_nowhere_else() {
        let old = keys(&format!("a:{}", key(1))).unwrap();
        let sealed = old.seal("o|m|kaspi", "+77011234567").unwrap();
        assert_ne!(sealed, old.seal("o|m|kaspi", "+77011234567").unwrap(), "nonces are random");
        assert_eq!(old.open("o|m|kaspi", &sealed).unwrap(), "+77011234567");
        assert!(old.open("o|other|kaspi", &sealed).is_err());
        let both = keys(&format!("b:{}, a:{}", key(2), key(1))).unwrap();
        assert_eq!(both.open("o|m|kaspi", &sealed).unwrap(), "+77011234567");
        assert_eq!(both.current().unwrap(), "b");
        let new = keys(&format!("b:{}", key(2))).unwrap();
        assert!(new.open("o|m|kaspi", &sealed).is_err());
        let forged = keys(&format!("a:{}", key(2))).unwrap();
        assert!(forged.open("o|m|kaspi", &sealed).is_err());
    }

    #[test]
    fn production_needs_keys_and_a_bad_list_is_refused_without_showing_it() {
        let production = Config { mode: Mode::Production, ..Config::default() };
        let error = Keyring::from_config(&production).unwrap_err().to_string();
        assert!(error.contains("accounts.keys"), "{error}");
        assert!(Keyring::from_config(&Config::default()).is_ok());
        let twice = format!("a:{0},a:{0}", key(1));
        for bad in ["", "a", "a:short", "a:c2hvcnQ=", twice.as_str()] {
            let error = keys(bad).unwrap_err();
            assert!(error.contains("accounts.keys") && !error.contains("c2hvcnQ"), "{error}");
        }
        assert!(!format!("{:?}", keys(&format!("a:{}", key(1))).unwrap()).contains(&key(1)));
    }
}
