//! What belongs to an issue beside its text: links to elsewhere, and files that are kept here.

use quittance_kernel::{AttachmentId, IssueId, IssueStatus, MemberId, Timestamp};

use super::issue::{Actor, Issue, IssueError};
use super::text::{FieldError, MAX_NAME, line};

/// How many attachments an issue has at most.
pub const MOST: usize = 20;

/// How many links are filed with an issue at most.
pub const MOST_LINKS: usize = 10;

/// How many bytes tell what a file is.
pub const HEAD: usize = 512;

/// The longest address, in bytes: what browsers and proxies still carry.
const MAX_URL: usize = 2_000;

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub id: AttachmentId,
    pub issue: IssueId,
    pub name: String,
    pub content: Content,
    pub by: MemberId,
    pub at: Timestamp,
}

/// Where the attachment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Link { url: String },
    File(File),
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub media: Media,
    pub size: i64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A link that is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub name: String,
}

/// Why an attachment was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    #[error("a file may have at most {0} bytes")]
    TooLarge(u64),
    #[error(
        "the bytes must be what the type says, and the type one of {}",
        Media::ALL.map(Media::as_str).join(", ")
    )]
    Type,
    #[error("an issue has at most {MOST} attachments")]
    TooMany,
    #[error("the issue was triaged: only an admin removes its attachments")]
    Kept,
    #[error("the upload broke off")]
    Broken,
}

/// The types of files that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Png,
    Jpeg,
    Gif,
    Webp,
    Mp4,
    Pdf,
    Text,
}

impl Media {
    pub const ALL: [Self; 7] =
        [Self::Png, Self::Jpeg, Self::Gif, Self::Webp, Self::Mp4, Self::Pdf, Self::Text];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain",
        }
    }

    /// Reads the type that a client has declared; parameters say nothing here.
    #[must_use]
    pub fn declared(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|media| media.as_str().eq_ignore_ascii_case(essence))
    }

    /// Tells the type by the first bytes. Markup is text: nobody is served it as anything else.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let at = |from: usize, bytes: &[u8]| head.get(from..from + bytes.len()) == Some(bytes);
        let brand = |word: &&[u8]| at(8, word);
        let brands: [&[u8]; 7] = [b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash", b"mmp4"];
        if at(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if at(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Some(Self::Gif)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Some(Self::Webp)
        } else if at(4, b"ftyp") && brands.iter().any(brand) {
            Some(Self::Mp4)
        } else if at(0, b"%PDF-") {
            Some(Self::Pdf)
        } else {
            is_text(head).then_some(Self::Text)
        }
    }
}

/// Whether these bytes begin a text. The last letter may have been cut.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Checks that the bytes are what was declared.
pub fn media(declared: &str, head: &[u8]) -> Result<Media, AttachmentError> {
    Media::declared(declared)
        .filter(|media| Media::of(head) == Some(*media))
        .ok_or(AttachmentError::Type)
}

/// Reads the name of a file: what people see, and never a path.
pub fn name(field: &str, text: &str) -> Result<String, FieldError> {
    let name = line(field, text, MAX_NAME)?;
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(FieldError::new(field, "must be a name without a path"));
    }
    Ok(name)
}

/// Reads the links that are filed with an issue.
pub fn links(given: &[(String, String)]) -> Result<Vec<Link>, FieldError> {
    if MOST_LINKS < given.len() {
        let detail = format!("must have at most {MOST_LINKS} entries");
        return Err(FieldError::new("attachments", detail));
    }
    given
        .iter()
        .enumerate()
        .map(|(place, (url, name))| {
            let url = address(&format!("attachments[{place}].url"), url)?;
            let name = if name.is_empty() { short(&url) } else { name.clone() };
            let name = line(&format!("attachments[{place}].name"), &name, MAX_NAME)?;
            Ok(Link { url, name })
        })
        .collect()
}

fn address(field: &str, url: &str) -> Result<String, FieldError> {
    let url = url.trim();
    let refused = |detail: &str| Err(FieldError::new(field, detail));
    let https = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
    if https.is_none() {
        return refused("must be an address that begins with https://");
    }
    if MAX_URL < url.len() {
        return refused("must have at most 2000 bytes");
    }
    let host = url[8..].split(['/', '?', '#']).next().unwrap_or_default();
    // A host that is somebody's name and password shows people another place than it leads to.
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\\');
    if host.is_empty() || host.contains('@') || url.chars().any(odd) {
        return refused("must be an address that begins with https:// and names a host");
    }
    Ok(url.to_owned())
}

/// The last part of an address, or its host.
fn short(url: &str) -> String {
    let path = url[8..].split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    path.rsplit('/').next().unwrap_or_default().chars().take(MAX_NAME).collect()
}

/// Whether the actor may add to the issue, which has so many attachments.
pub fn may_add(issue: &Issue, actor: Actor) -> Result<(), IssueError> {
    if actor.judges || actor.member == issue.reporter {
        Ok(())
    } else {
        Err(IssueError::NotPermitted(issue.id))
    }
}

/// Whether somebody may remove attachments of the issue. Once it was triaged they are what it was
/// decided on.
#[must_use]
pub fn removal(issue: &Issue, member: MemberId, admin: bool) -> Removal {
    let undecided = matches!(issue.status, IssueStatus::Draft | IssueStatus::Open);
    match (admin, member == issue.reporter, undecided) {
        (true, _, _) | (false, true, true) => Removal::Allowed,
        (false, true, false) => Removal::Kept,
        (false, false, _) => Removal::NotPermitted,
    }
}

/// The answer to who wants to remove an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Allowed,
    Kept,
    NotPermitted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        for (head, media) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some(Media::Png)),
            (b"\xff\xd8\xff\xe0", Some(Media::Jpeg)),
            (b"GIF89a", Some(Media::Gif)),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some(Media::Webp)),
            (b"\0\0\0\x20ftypisom", Some(Media::Mp4)),
            (b"\0\0\0\x20ftypheic", None),
            (b"%PDF-1.7", Some(Media::Pdf)),
            (b"log line\n", Some(Media::Text)),
            (b"MZ\x90\0", None),
            (b"\x7fELF", None),
            (b"", None),
        ] {
            assert_eq!(Media::of(head), media, "{head:?}");
        }
        assert!(media("image/png", b"<svg>").is_err());
        assert!(media("image/svg+xml", b"<svg>").is_err());
        assert_eq!(media("Text/Plain; charset=utf-8", "ы".as_bytes()), Ok(Media::Text));
        // Cut in the middle of a letter.
        assert_eq!(Media::of(&"ыы".as_bytes()[..3]), Some(Media::Text));
    }

    #[test]
    fn links_are_https_and_bounded() {
        let one = |url: &str, name: &str| links(&[(url.to_owned(), name.to_owned())]);
        let link = one(" https://example.com/shots/1.png?x=1 ", "").unwrap();
        assert_eq!(link[0].name, "1.png");
        assert_eq!(one("https://example.com/", "").unwrap()[0].name, "example.com");
        for bad in [
            "http://example.com",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://you@evil.example/",
            "https://a b",
            "https://a/\u{0}",
        ] {
            let refused = one(bad, "").unwrap_err();
            assert_eq!(refused.field, "attachments[0].url", "{bad}");
        }
        assert!(one(&format!("https://a/{}", "x".repeat(MAX_URL)), "").is_err());
        assert_eq!(one("https://a", &"x".repeat(201)).unwrap_err().field, "attachments[0].name");
        let many = vec![("https://a".to_owned(), String::new()); MOST_LINKS + 1];
        assert_eq!(links(&many).unwrap_err().field, "attachments");
    }

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(name("name", "shot 1.png"), Ok("shot 1.png".to_owned()));
        for bad in ["", "../x", "a/b", "a\\b", ".bashrc", "a\nb"] {
            assert!(name("name", bad).is_err(), "{bad}");
        }
    }
}
