use super::*;

fn group(issues: usize) -> Group {
    Group {
        payee: None,
        issues: std::iter::repeat_with(IssueId::new).take(issues).collect(),
        method: Method::Kaspi,
        reference: " KASPI-1 ".to_owned(),
    }
}

fn refused(groups: Vec<Group>) -> OrderError {
    Order::batch(groups, OnBlocked::Fail).unwrap_err()
}

#[test]
fn a_good_batch_is_taken_and_its_references_trimmed() {
    let order = Order::batch(vec![group(2), group(1)], OnBlocked::Skip).unwrap();
    assert_eq!(order.issues().count(), 3);
    assert_eq!(order.groups()[0].reference, "KASPI-1");
    assert_eq!((order.on_blocked(), order.source()), (OnBlocked::Skip, Source::BatchPay));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    assert_eq!(refused(vec![]), OrderError::Empty { field: "groups".into() });
    let empty = OrderError::Empty { field: "groups[1].issue_ids".into() };
    assert_eq!(refused(vec![group(1), group(0)]), empty);
    let stripe = Group { method: Method::Stripe, ..group(1) };
    let field = "groups[1].method".to_owned();
    let not_manual = OrderError::NotManual { field, method: Method::Stripe };
    assert_eq!(refused(vec![group(1), stripe]), not_manual);
    let long = "x".repeat(MAX_REFERENCE + 1);
    for (reference, says) in [("  ", "empty"), (long.as_str(), "200"), ("a\tb", "control")] {
        let bad = Group { reference: reference.to_owned(), ..group(1) };
        let error = refused(vec![group(1), group(1), bad]).to_string();
        assert!(error.starts_with("groups[2].reference ") && error.contains(says), "{error}");
    }
}

#[test]
fn an_issue_may_be_named_once_in_all_groups() {
    let (first, mut second) = (group(2), group(2));
    second.issues[1] = first.issues[0];
    let field = "groups[1].issue_ids[1]".to_owned();
    let duplicate = OrderError::Duplicate { field, issue: first.issues[0] };
    assert_eq!(refused(vec![first, second]), duplicate);
}

#[test]
fn ten_thousand_are_taken_and_one_more_is_not() {
    assert!(Order::batch(vec![group(4_000), group(6_000)], OnBlocked::Fail).is_ok());
    assert_eq!(refused(vec![group(4_000), group(6_001)]), OrderError::TooLarge(10_001));
}

#[test]
fn a_reference_is_measured_in_characters() {
    let reference = "ж".repeat(MAX_REFERENCE);
    assert!(Order::single(Group { reference, ..group(1) }, None).is_ok());
}
