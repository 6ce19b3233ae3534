//! How a section of the configuration is declared: struct, defaults and description at once.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

/// One key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Dotted, such as `auth.jwks_url`.
    pub path: String,
    /// What it means, for a person.
    pub about: String,
    /// The value as TOML; `None` when there is none. Never a secret.
    pub value: Option<String>,
    /// Whether the value must not be shown.
    pub secret: bool,
}

/// Something that can say which keys it consists of.
pub(crate) trait Section {
    fn describe(&self, path: &str, about: &str, keys: &mut Vec<Entry>);
}

/// One value, as TOML writes it.
pub(crate) trait Scalar {
    const SECRET: bool = false;
    fn toml(&self) -> Option<String>;
}

/// Quotes a text for TOML.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

macro_rules! scalars {
    ($($ty:ty => |$value:ident| $text:expr),+ $(,)?) => {$(
        impl Scalar for $ty {
            fn toml(&self) -> Option<String> {
                let $value = self;
                Some($text)
            }
        }
    )+};
}

scalars! {
    bool => |value| value.to_string(),
    u32 => |value| value.to_string(),
    u64 => |value| value.to_string(),
    f64 => |value| format!("{value:?}"),
    String => |value| quoted(value),
    PathBuf => |value| quoted(&value.display().to_string()),
    SocketAddr => |value| quoted(&value.to_string()),
}

impl Scalar for SecretString {
    const SECRET: bool = true;

    fn toml(&self) -> Option<String> {
        Some(quoted("[REDACTED]"))
    }
}

impl<T: Scalar> Scalar for Option<T> {
    const SECRET: bool = T::SECRET;

    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(Scalar::toml)
    }
}

impl<T: Scalar> Section for T {
    fn describe(&self, path: &str, about: &str, keys: &mut Vec<Entry>) {
        keys.push(Entry {
            path: path.to_owned(),
            about: about.trim().to_owned(),
            value: self.toml(),
            secret: T::SECRET,
        });
    }
}

/// Writes keys as a commented TOML file. A key without a value is commented out.
pub(crate) fn reference(keys: &[Entry]) -> String {
    let mut text = String::from(
        "# Every key of the configuration, with its default. A key that is commented out has none.\n\
         # Environment variables override the file: QUITTANCE__GATEWAY__LISTEN for gateway.listen.\n",
    );
    let mut table = "";
    for key in keys {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        // Writing to a string cannot fail.
        if section != table {
            let _ = writeln!(text, "\n[{section}]");
            table = section;
        }
        for line in key.about.lines() {
            let _ = writeln!(text, "# {}", line.trim());
        }
        let _ = match &key.value {
            Some(value) => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} = \"\""),
        };
    }
    text
}

/// Declares a section: the struct that is read, its defaults, and its part of the table of keys.
/// All three come from here, so that the reference cannot differ from what is read.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident { $( $(#[doc = $doc:literal])+ $field:ident: $ty:ty = $default:expr ),+ $(,)? }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $( $(#[doc = $doc])+ pub $field: $ty, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl crate::config::section::Section for $name {
            fn describe(
                &self,
                path: &str,
                _about: &str,
                keys: &mut Vec<crate::config::section::Entry>,
            ) {
                $(
                    self.$field.describe(
                        &crate::config::section::join(path, stringify!($field)),
                        concat!($($doc, "\n"),+),
                        keys,
                    );
                )+
            }
        }
    };
}

pub(crate) use section;
