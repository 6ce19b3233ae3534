use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_slot_of_an_instant_is_the_last_one_that_began() {
    for (job, now, slot) in [
        (Job::Schedules, "2026-05-08T02:00:00Z", "2026-05-08T02:00:00Z"),
        (Job::Schedules, "2026-05-08T01:59:59.999999Z", "2026-05-07T02:00:00Z"),
        (Job::Schedules, "2026-05-08T23:07:00.5Z", "2026-05-08T02:00:00Z"),
        (Job::Escrow, "2026-05-08T02:59:00Z", "2026-05-07T03:00:00Z"),
        (Job::Escrow, "2026-03-01T03:00:01Z", "2026-03-01T03:00:00Z"),
    ] {
        assert_eq!(job.slot_at(at(now)), at(slot), "{job} {now}");
    }
}

#[test]
fn missed_slots_are_caught_up_by_one_run() {
    let own = at("2026-05-08T02:00:00Z");
    let cover = |last: Option<&str>| {
        let slots = Slots::cover(Job::Schedules, own, last.map(at));
        (slots.from, slots.count, slots.missed())
    };
    assert_eq!(cover(None), (own, 1, 0));
    assert_eq!(cover(Some("2026-05-07T02:00:00Z")), (own, 1, 0));
    assert_eq!(cover(Some("2026-05-06T02:00:00Z")), (at("2026-05-07T02:00:00Z"), 2, 1));
    assert_eq!(cover(Some("2026-05-01T02:00:00Z")), (at("2026-05-02T02:00:00Z"), 7, 6));
    // An older slot than the last one catches up on nothing but itself.
    assert_eq!(cover(Some("2026-05-20T02:00:00Z")), (own, 1, 0));
    // A timetable of one's own: the slots between are those of ours.
    let slots = Slots::cover(Job::Schedules, at("2026-05-08T07:30:00Z"), Some(own));
    assert_eq!((slots.from, slots.count), (at("2026-05-08T07:30:00Z"), 1));
    let slots = Slots::cover(Job::Schedules, at("2026-05-09T07:30:00Z"), Some(own));
    assert_eq!((slots.from, slots.count), (at("2026-05-09T02:00:00Z"), 2));
}

#[test]
fn what_is_asked_for_is_checked() {
    let now = at("2026-05-08T02:00:00Z");
    let wanted = |slot: &str, limit| Wanted::new(Job::Escrow, Some(at(slot)), limit, now);
    assert!(wanted("2026-05-08T02:00:30Z", None).is_ok(), "clocks differ a little");
    let ahead = at("2026-05-08T02:02:00Z");
    assert_eq!(wanted("2026-05-08T02:02:00Z", None), Err(JobError::SlotAhead(ahead)));
    for limit in [0, -1, 1_000_001] {
        assert_eq!(Wanted::new(Job::Escrow, None, Some(limit), now), Err(JobError::Limit));
    }
    let one = Wanted::new(Job::Escrow, None, Some(1), now).unwrap();
    assert_eq!((one.limit, one.workers), (Some(1), 1));
    assert_eq!(one.with_workers(0), Err(JobError::Workers));
    assert_eq!(one.with_workers(4).unwrap().workers, 4);
}

#[test]
fn a_tally_adds_up_by_currency() {
    let part = |minor| Tally {
        claimed: 2,
        processed: 1,
        retried: 1,
        amounts: BTreeMap::from([(Currency::KZT, (minor, 1))]),
        ..Tally::default()
    };
    let mut sum = part(5);
    sum.add(&part(7));
    assert_eq!((sum.claimed, sum.processed, sum.retried, sum.failed), (4, 2, 2, 0));
    assert_eq!(sum.amounts[&Currency::KZT], (12, 2));
    sum.add(&Tally { amounts: BTreeMap::from([(Currency::KZT, (i64::MAX, 1))]), ..part(0) });
    assert_eq!(sum.amounts[&Currency::KZT].0, i64::MAX);
}
