//! What was attached to an issue, as pages show it.

use quittance_proto::issues::v1 as wire;

/// A link, or a file that is saved and never shown in the page.
pub(super) struct Shown {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) detail: String,
}

pub(super) fn shown(issue: &wire::Issue) -> Vec<Shown> {
    let one = |of: &wire::Attachment| {
        let is_link = !of.url.is_empty();
        Shown {
            href: if is_link {
                of.url.clone()
            } else {
                format!(
                    "/app/test-cycles/{}/issues/{}/attachments/{}",
                    issue.cycle_id, issue.issue_id, of.attachment_id
                )
            },
            name: if of.name.is_empty() { of.url.clone() } else { of.name.clone() },
            detail: if is_link {
                "link".to_owned()
            } else {
                format!("{}, {} KiB", of.content_type, (of.size_bytes + 1023) / 1024)
            },
        }
    };
    issue.attachments.iter().map(one).collect()
}
