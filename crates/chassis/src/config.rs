//! Configuration of all binaries: one file, environment variables over it, defaults under it.
//!
//! Defaults run on an empty machine. A key that is not known is refused, so that a typing error
//! never means "the default, silently". Secrets are never printed.

mod section;
mod sections;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;

pub use section::Entry;
use section::Section as _;
pub use sections::{
    Accounts, Attachments, Auth, Backend, Bus, Config, Database, Gateway, Grpc, Log, LogFormat,
    Mail, Metrics, Mode, Oidc, Policy, Rails, Retention, Stripe, Telemetry, Tls, Webhooks,
};

/// What every environment variable of ours begins with.
const PREFIX: &str = "QUITTANCE";

/// The configuration cannot be used. Binaries exit with 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("configuration file {} cannot be read", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("configuration cannot be read")]
    Parse(#[source] config::ConfigError),
    #[error("unknown configuration key `{key}` in {origin}")]
    UnknownKey { key: String, origin: String },
    #[error("configuration key `{key}` {problem}")]
    Refused { key: &'static str, problem: String },
}

impl Config {
    /// Reads the configuration of this process.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::read(file, Environment::with_prefix(PREFIX))
    }

    /// Reads as [`Config::load`] does, with the given variables in place of the environment.
    pub fn load_with(
        file: Option<&Path>,
        environment: HashMap<String, String>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, Environment::with_prefix(PREFIX).source(Some(environment)))
    }

    fn read(file: Option<&Path>, environment: Environment) -> Result<Self, ConfigError> {
        // The reference is the lowest layer, so that what it says is what holds.
        let mut layers = config::Config::builder()
            .add_source(File::from_str(&Self::reference(), FileFormat::Toml));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            known(&text, path)?;
            layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let environment = environment
            .prefix_separator("__")
            .separator("__")
            // An empty variable is how a manifest says "not set".
            .ignore_empty(true);
        let merged = layers.add_source(environment).build().map_err(ConfigError::Parse)?;
        refuse_unknown(&merged.cache, "", &Self::keys(), "the environment")?;
        merged.try_deserialize().map_err(ConfigError::Parse)
    }

    /// Lists every key with its description and default, in the order of the reference.
    #[must_use]
    pub fn keys() -> Vec<Entry> {
        let mut keys = Vec::new();
        Self::default().describe("", "", &mut keys);
        keys
    }

    /// Writes the commented reference of every key. It is itself a valid configuration file.
    #[must_use]
    pub fn reference() -> String {
        section::reference(&Self::keys())
    }

    /// Returns where a service keeps its rows: what is configured, else a file in `data_dir`.
    #[must_use]
    pub fn database_url(&self, backend: &Backend, name: &str) -> SecretString {
        backend.database_url.clone().unwrap_or_else(|| {
            let file = self.data_dir.join(format!("{name}.db"));
            SecretString::from(format!("sqlite://{}?mode=rwc", file.display()))
        })
    }
}

/// Refuses a file with a key that nobody reads, naming the file.
fn known(text: &str, path: &Path) -> Result<(), ConfigError> {
    let alone = config::Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .map_err(ConfigError::Parse)?;
    refuse_unknown(&alone.cache, "", &Config::keys(), &path.display().to_string())
}

/// Walks the tree of values and compares each leaf with the table of keys.
fn refuse_unknown(
    value: &Value,
    path: &str,
    keys: &[Entry],
    origin: &str,
) -> Result<(), ConfigError> {
    let known = keys.iter().any(|entry| entry.path == path);
    let table = if let ValueKind::Table(table) = &value.kind { Some(table) } else { None };
    match table {
        Some(table) if !known => table.iter().try_for_each(|(name, value)| {
            refuse_unknown(value, &section::join(path, name), keys, origin)
        }),
        None if known => Ok(()),
        // A key that nobody reads, or a table in place of a value.
        Some(_) | None => {
            Err(ConfigError::UnknownKey { key: path.to_owned(), origin: origin.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests;
