use super::*;

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn endpoint(kinds: &[&str]) -> Result<Endpoint, FieldError> {
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    Endpoint::add("https://example.com/hook", "", &kinds, false, noon())
}

#[test]
fn an_endpoint_is_told_what_it_asked_for() {
    let all = endpoint(&[]).unwrap();
    assert!(all.wants("issue.created") && all.wants("payout.paid"));
    let some = endpoint(&["payout.*", "issue.approved"]).unwrap();
    for (kind, wanted) in [
        ("payout.paid", true),
        ("payout_schedule.created", false),
        ("issue.approved", true),
        ("issue.created", false),
    ] {
        assert_eq!(some.wants(kind), wanted, "{kind}");
    }
    for unknown in ["payouts.*", "payout.vanished", "job.completed", "*", ""] {
        assert!(endpoint(&[unknown]).is_err(), "{unknown}");
    }
}

#[test]
fn an_address_is_https_and_names_a_host() {
    let add = |url, insecure| Endpoint::add(url, "", &[], insecure, noon()).is_ok();
    assert!(add("https://example.com:8443/a?b=c", false));
    assert!(!add("http://example.com/", false) && add("http://127.0.0.1:9/", true));
    for bad in
        ["", "ftp://a", "https://", "https:///x", "https://u:p@a/", "https://a/#b", "https://a b/"]
    {
        assert!(!add(bad, true), "{bad}");
    }
}

#[test]
fn no_address_of_ours_is_public() {
    for inside in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001::1",
    ] {
        assert!(!is_public(inside.parse().unwrap()), "{inside}");
    }
    for outside in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"] {
        assert!(is_public(outside.parse().unwrap()), "{outside}");
    }
}

#[test]
fn it_is_tried_again_for_about_three_days() {
    let pauses: Vec<TimeDelta> = (1..).map_while(pause).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]));
    let all = pauses.iter().fold(TimeDelta::zero(), |sum, pause| sum + *pause);
    assert!(all > TimeDelta::days(3) && all < TimeDelta::days(4), "{all}");
}

#[test]
fn organizations_can_be_told_of_everything_but_jobs() {
    let untold: Vec<_> = quittance_events::kind::ALL.iter().filter(|kind| !is_told(kind)).collect();
    assert_eq!(untold, [&"job.completed"]);
}

#[test]
fn an_endpoint_that_fails_is_left_alone_ever_longer_until_something_arrives() {
    let mut failing = endpoint(&[]).unwrap();
    let mut now = noon();
    let mut rests = Vec::new();
    for _ in 0..12 {
        let rest = failing.rest();
        failing = failing.failed(now, rest);
        assert_eq!(failing.rests_until, Some(now + rest));
        // What was sent before and fails now changes nothing.
        let again = failing.clone().failed(now + TimeDelta::seconds(1), failing.rest());
        assert_eq!(again, failing);
        rests.push(rest);
        now += rest;
    }
    assert_eq!((rests[0], rests[1]), (TimeDelta::seconds(5), TimeDelta::minutes(5)));
    assert!(rests.is_sorted() && rests.ends_with(&[TimeDelta::hours(24); 3]), "{rests:?}");
    assert_eq!((failing.failing_since, failing.failures), (Some(noon()), 12));
}

#[test]
fn an_endpoint_that_takes_nothing_is_disabled() {
    let failed = Outcome::Failed { status: 500, error: String::new() };
    let mut endpoint = endpoint(&[]).unwrap();
    assert_eq!(endpoint.gives_up(&failed, noon()), None);
    endpoint = endpoint.failed(noon(), TimeDelta::hours(80));
    assert_eq!(endpoint.gives_up(&failed, noon() + TimeDelta::hours(71)), None);
    let late = noon() + TimeDelta::hours(72);
    assert!(endpoint.gives_up(&failed, late).is_some());
    assert!(endpoint.gives_up(&Outcome::Gone, noon()).is_some());
    assert_eq!(endpoint.gives_up(&Outcome::Delivered(204), late), None);
    // Whoever enables it forgives.
    let patch = EndpointPatch { enabled: Some(true), ..EndpointPatch::default() };
    let again = endpoint.change(&patch, false, late).unwrap();
    assert_eq!((again.failing_since, again.rests_until, again.version), (None, None, 2));
}
