//! The demo organization of the QA seed (S0, S1), chosen so that its wireframes come out:
//!
//! - Dana is the tester of the balance page: 42 filed, 30 accepted, 17 paid, ₸120,000 earned,
//!   ₸45,000 pending, 12 awaiting (≈ ₸30,000), cycles 18·12·8·75k and 12·9·9·45k.
//! - The admin's page: 27 issues approved and unpaid for ₸342,000 (Aibek 8 for ₸75,000, Nazira 5
//!   for ₸42,000), ₸1,420,000 paid, 18 pending review, top tester Aibek with ₸220,000.
//! - The triage inbox: 12 untriaged issues across 3 cycles.

use quittance_kernel::Severity::{self, Critical, High, Low, Medium};

pub(super) const ORGANIZATION: &str = "Hackorda QA";

/// Who signs in, and as what.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) role: &'static str,
}

const fn person(name: &'static str, email: &'static str, role: &'static str) -> Person {
    Person { name, email, role }
}

pub(super) const ADMIN: Person = person("Madina", "madina@hackorda.example", "admin");
pub(super) const LEAD: Person = person("Adilet", "adilet@hackorda.example", "lead");
pub(super) const TESTERS: [Person; 8] = [
    person("Aibek", "aibek@hackorda.example", "member"),
    person("Nazira", "nazira@hackorda.example", "member"),
    person("Dana", "dana@hackorda.example", "member"),
    person("Timur", "timur@hackorda.example", "member"),
    person("Aliya", "aliya@hackorda.example", "member"),
    person("Yerlan", "yerlan@hackorda.example", "member"),
    person("Saule", "saule@hackorda.example", "member"),
    person("Marat", "marat@hackorda.example", "member"),
];

/// The partner programme (S3): who runs it, and a partner of it.
pub(super) const PARTNER_ORGANIZATION: &str = "Akashi Partners";
pub(super) const PARTNER_ADMIN: Person = person("Sara", "sara@akashi.example", "admin");
pub(super) const PARTNER: Person = person("Polaris", "polaris@akashi.example", "member");

/// How far a partner's payout has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PartnerStage {
    Pending,
    Approved,
    Paid,
    Rejected,
}

pub(super) struct PartnerPayout {
    pub(super) minor: i64,
    pub(super) period: &'static str,
    pub(super) notes: &'static str,
    pub(super) stage: PartnerStage,
}

/// S3-16: five payouts in different states.
pub(super) const PARTNER_PAYOUTS: [PartnerPayout; 5] = [
    partner_payout(420_000, "2025-Q4", "Q4 commissions", PartnerStage::Paid),
    partner_payout(500_000, "2026-Q1", "Q1 commissions", PartnerStage::Approved),
    partner_payout(125_000, "2026-02", "Launch bonus", PartnerStage::Rejected),
    partner_payout(310_000, "2026-04", "April commissions", PartnerStage::Pending),
    partner_payout(98_000, "2026-05", "May commissions", PartnerStage::Pending),
];

const fn partner_payout(
    minor: i64,
    period: &'static str,
    notes: &'static str,
    stage: PartnerStage,
) -> PartnerPayout {
    PartnerPayout { minor, period, notes, stage }
}

/// The recruiting programme (S2): who keeps its schedules, and who is paid by them.
pub(super) const PLACEMENT_ORGANIZATION: &str = "Baiterek Recruiting";
pub(super) const KEEPER: Person = person("Gulnara", "gulnara@baiterek.example", "platform_admin");
pub(super) const RECRUITER: Person = person("Ruslan", "ruslan@baiterek.example", "member");

/// A placement that is paid for so many days from now.
pub(super) struct Placement {
    pub(super) minor: i64,
    pub(super) days: i64,
    pub(super) notes: &'static str,
    /// What a hold keeps back.
    pub(super) held: Option<i64>,
}

pub(super) const PLACEMENTS: [Placement; 4] = [
    Placement { minor: 850_000, days: -2, notes: "Backend engineer, guarantee over", held: None },
    Placement { minor: 640_000, days: -1, notes: "Designer, in dispute", held: Some(640_000) },
    Placement { minor: 720_000, days: 30, notes: "Data analyst, 30 days to go", held: None },
    Placement { minor: 990_000, days: 75, notes: "Team lead, 75 days to go", held: None },
];

/// The bounty programme (S4): a founder, and who works for them.
pub(super) const BOUNTY_ORGANIZATION: &str = "Steppe Labs";
pub(super) const FOUNDER: Person = person("Alisher", "alisher@steppe.example", "admin");
pub(super) const CONTRIBUTORS: [Person; 2] = [
    person("Kamila", "kamila@steppe.example", "member"),
    person("Erlan", "erlan@steppe.example", "member"),
];

/// What a bounty gives.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    Cents(i64),
    Points(i64),
    Backlog,
}

/// How far the work for a bounty has come; by the contributors in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandedIn {
    Waits,
    Approved,
    Rejected,
}

/// Work that is offered.
pub(super) struct Offer {
    pub(super) title: &'static str,
    pub(super) gives: Gives,
    /// How many may work on it.
    pub(super) room: i64,
    pub(super) is_draft: bool,
    pub(super) work: &'static [HandedIn],
}

const fn offer(title: &'static str, gives: Gives, room: i64, work: &'static [HandedIn]) -> Offer {
    Offer { title, gives, room, is_draft: false, work }
}

pub(super) const BOUNTIES: [Offer; 8] = [
    offer("Offline mode for the field app", Gives::Cents(50_000), 1, &[HandedIn::Waits]),
    offer("Import from spreadsheets", Gives::Cents(120_000), 1, &[]),
    offer("Fix the time zone of reminders", Gives::Cents(30_000), 1, &[HandedIn::Approved]),
    offer(
        "Write a guide for newcomers",
        Gives::Cents(20_000),
        10,
        &[HandedIn::Approved, HandedIn::Approved, HandedIn::Rejected, HandedIn::Waits],
    ),
    offer("Translate the app into Kazakh", Gives::Points(100), 2, &[HandedIn::Approved]),
    offer(
        "Look after the community",
        Gives::Points(50),
        5,
        &[HandedIn::Approved, HandedIn::Approved],
    ),
    offer("A plug-in interface", Gives::Backlog, 1, &[]),
    Offer { is_draft: true, ..offer("A dark theme", Gives::Cents(40_000), 1, &[]) },
];

/// A product, its key and whether its policy asks for verification (S1-30).
pub(super) const PRODUCTS: [(&str, &str, bool); 2] =
    [("Hackorda Web", "HW", true), ("Akashi Cloud", "AC", false)];

/// A cycle of the product with this index.
pub(super) struct Sweep {
    pub(super) name: &'static str,
    pub(super) product: usize,
    /// The cycle's own gate: `Some(false)` is "…except the maintenance sweep".
    pub(super) gate: Option<bool>,
    /// Overrides the rate of critical issues.
    pub(super) critical: Option<i64>,
}

pub(super) const HACKORDA: usize = 0;
pub(super) const AKASHI: usize = 1;
pub(super) const MAINTENANCE: usize = 2;
pub(super) const SECURITY: usize = 3;

pub(super) const SWEEPS: [Sweep; 4] = [
    Sweep { name: "Hackorda Onboarding — QA shake-down", product: 0, gate: None, critical: None },
    Sweep { name: "Akashi Cloud — Pre-launch sweep", product: 1, gate: None, critical: None },
    Sweep {
        name: "Hackorda Web — Maintenance sweep",
        product: 0,
        gate: Some(false),
        critical: None,
    },
    Sweep {
        name: "Akashi Cloud — Security sweep",
        product: 1,
        gate: None,
        critical: Some(18_000_000),
    },
];

/// How far a piece of work has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the triage inbox.
    Open,
    /// Looked at, not decided.
    Triaged,
    /// Approved, its fix not re-tested.
    Approved,
    /// Approved and verified.
    Verified,
    Paid,
}

/// So many issues of one tester in one cycle.
pub(super) struct Work {
    pub(super) tester: usize,
    pub(super) sweep: usize,
    pub(super) stage: Stage,
    pub(super) severity: Severity,
    pub(super) count: usize,
}

const fn work(tester: usize, sweep: usize, stage: Stage, severity: Severity, count: usize) -> Work {
    Work { tester, sweep, stage, severity, count }
}

const AIBEK: usize = 0;
const NAZIRA: usize = 1;
const DANA: usize = 2;

pub(super) const WORK: &[Work] = &[
    // Dana, paid: 75,000 in eight and 45,000 in nine.
    work(DANA, HACKORDA, Stage::Paid, Critical, 3),
    work(DANA, HACKORDA, Stage::Paid, High, 3),
    work(DANA, HACKORDA, Stage::Paid, Medium, 2),
    work(DANA, AKASHI, Stage::Paid, Critical, 1),
    work(DANA, AKASHI, Stage::Paid, High, 2),
    work(DANA, AKASHI, Stage::Paid, Medium, 4),
    work(DANA, AKASHI, Stage::Paid, Low, 2),
    // Dana, approved: 45,000 in thirteen. The gate still holds two of them back.
    work(DANA, HACKORDA, Stage::Verified, High, 1),
    work(DANA, HACKORDA, Stage::Verified, Medium, 1),
    work(DANA, HACKORDA, Stage::Approved, Low, 2),
    work(DANA, MAINTENANCE, Stage::Approved, Critical, 1),
    work(DANA, MAINTENANCE, Stage::Approved, High, 1),
    work(DANA, MAINTENANCE, Stage::Approved, Medium, 1),
    work(DANA, MAINTENANCE, Stage::Approved, Low, 6),
    // Dana, awaiting decision: about 30,000 in twelve.
    work(DANA, HACKORDA, Stage::Open, High, 1),
    work(DANA, HACKORDA, Stage::Open, Medium, 1),
    work(DANA, HACKORDA, Stage::Open, Low, 4),
    work(DANA, AKASHI, Stage::Open, High, 1),
    work(DANA, AKASHI, Stage::Open, Medium, 1),
    work(DANA, AKASHI, Stage::Open, Low, 1),
    work(DANA, MAINTENANCE, Stage::Open, Low, 3),
    // Aibek: 220,000 paid, 75,000 in the queue, three undecided.
    work(AIBEK, HACKORDA, Stage::Paid, Critical, 6),
    work(AIBEK, AKASHI, Stage::Paid, Critical, 6),
    work(AIBEK, AKASHI, Stage::Paid, High, 5),
    work(AIBEK, AKASHI, Stage::Approved, Critical, 3),
    work(AIBEK, AKASHI, Stage::Approved, High, 3),
    work(AIBEK, AKASHI, Stage::Approved, Medium, 2),
    work(AIBEK, AKASHI, Stage::Triaged, Medium, 3),
    // Nazira: 42,000 in the queue, one of five waits for verification; three undecided.
    work(NAZIRA, SECURITY, Stage::Paid, Critical, 1),
    work(NAZIRA, AKASHI, Stage::Approved, Critical, 2),
    work(NAZIRA, HACKORDA, Stage::Verified, High, 1),
    work(NAZIRA, HACKORDA, Stage::Verified, Medium, 1),
    work(NAZIRA, HACKORDA, Stage::Approved, Low, 1),
    work(NAZIRA, AKASHI, Stage::Triaged, Low, 3),
    // The security sweep pays ₸180,000 for a critical finding.
    work(3, SECURITY, Stage::Paid, Critical, 1),
    work(3, SECURITY, Stage::Approved, Critical, 1),
    work(4, SECURITY, Stage::Paid, Critical, 1),
    work(5, SECURITY, Stage::Paid, Critical, 1),
    work(6, SECURITY, Stage::Paid, Critical, 1),
    work(7, SECURITY, Stage::Paid, Critical, 1),
];

/// What testers found, by severity; used in turn.
pub(super) fn title(severity: Severity, turn: usize) -> &'static str {
    let titles: &[&str] = match severity {
        Critical => &[
            "Payment fails on mobile Safari",
            "Password reset link can be used twice",
            "Two taps on Pay charge the card twice",
            "Session of another user after sign-out",
            "Upload of a large file loses the draft",
        ],
        High => &[
            "Profile photo upload broken",
            "Search forgets the chosen city",
            "Invitation e-mail has a dead link",
            "Back button leaves the wizard half done",
        ],
        Medium => &[
            "Tooltip clips on small screens",
            "Date picker starts on Sunday",
            "Filter chips overlap in Kazakh",
            "Table header scrolls away",
        ],
        Low => &[
            "Typo on the pricing page",
            "Footer year is last year's",
            "Icon has no label for screen readers",
            "Hover colour stays after click",
        ],
    };
    titles[turn % titles.len()]
}
