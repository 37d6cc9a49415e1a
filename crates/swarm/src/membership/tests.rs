//! One agent at a time; convergence of many is the simulator's to show.

use super::*;

const ME: AgentId = AgentId(1);

fn at(intervals: u64) -> UnixNanos {
    UnixNanos::new(SECOND * (100 + intervals))
}

fn timing() -> Timing {
    Timing { interval: SECOND, suspect: 2, down: 4, remove: 10 }
}

fn member(n: u32) -> Membership {
    let founding = Founding::new(Shape::Mesh, (1..=n).map(AgentId));
    Membership::found(at(0), ME, timing(), &founding)
}

fn beats(membership: &mut Membership, from: &[u32], time: u64) {
    for &agent in from {
        let (epoch, mine) = (membership.view().epoch(), membership.view().fingerprint());
        membership.heard(at(time), AgentId(agent), epoch);
        membership.on_beat(at(time), AgentId(agent), mine);
    }
}

#[test]
fn silence_is_suspected_then_death_then_removal() {
    let mut one = member(3);
    let mut news = BTreeMap::new();
    for time in 0..=16 {
        beats(&mut one, if time < 9 { &[2] } else { &[2, 9] }, time);
        one.on_time(at(time));
        if time == 9 {
            // Other news do not make the dead wait anew.
            one.on_join(at(9), AgentId(9));
        }
        for new in one.take_news() {
            news.insert(time, (new, one.roster().standing(AgentId(3)).unwrap()));
        }
    }
    let expected = [
        (2, (News::Suspected(AgentId(3)), Standing::FOUNDER)),
        (4, (News::View, Standing::FOUNDER.next())),
        (9, (News::View, Standing::FOUNDER.next())),
        (14, (News::View, Standing::REMOVED)),
    ];
    assert_eq!(news, BTreeMap::from(expected));
    assert_eq!(one.view().members(), [ME, AgentId(2), AgentId(9)]);
    assert_eq!(one.view().leader(), Some(ME));
}

#[test]
fn a_leader_that_slept_gives_the_dead_their_time_again() {
    let mut one = member(3);
    for time in 0..=5 {
        beats(&mut one, &[2], time);
        one.on_time(at(time));
    }
    let standing = |one: &Membership| one.roster().standing(AgentId(3)).unwrap();
    assert!(standing(&one).is_down());
    for time in 60..=69 {
        beats(&mut one, &[2], time);
        one.on_time(at(time));
        assert!(standing(&one).is_down(), "{time}");
    }
    beats(&mut one, &[2], 70);
    one.on_time(at(70));
    assert!(standing(&one).is_gone());
}

/// An objection and another death, both from hearsay and at once: it is dead since then.
#[test]
fn who_objected_and_died_again_has_its_time_again() {
    let mut one = member(3);
    let mut theirs = one.roster().clone();
    let mut died = |one: &mut Membership, time, deaths| {
        for _ in 0..deaths {
            theirs.raise(AgentId(3), theirs.standing(AgentId(3)).unwrap().next());
        }
        one.on_roster(at(time), AgentId(2), &theirs).unwrap();
    };
    for time in 0..=18 {
        match time {
            1 => died(&mut one, time, 1),
            8 => died(&mut one, time, 2),
            _ => {}
        }
        beats(&mut one, &[2], time);
        one.on_time(at(time));
        let standing = one.roster().standing(AgentId(3)).unwrap();
        assert_eq!((standing.is_down(), standing.is_gone()), ((1..18).contains(&time), time == 18), "{time}");
    }
}

#[test]
fn an_agent_objects_to_its_death_and_bows_to_its_removal() {
    let mut one = member(2);
    let mut theirs = one.roster().clone();
    theirs.raise(ME, Standing::FOUNDER.next());
    one.on_roster(at(1), AgentId(2), &theirs).unwrap();
    assert!(one.roster().standing(ME).unwrap().is_alive());
    assert_eq!(one.roster().standing(ME).unwrap().count(), 2);
    theirs.raise(ME, Standing::REMOVED);
    one.on_roster(at(2), AgentId(2), &theirs).unwrap();
    assert!(one.is_excluded());
    assert_eq!(one.take_news(), [News::View, News::Excluded]);
    assert_eq!(one.next_due(), UnixNanos::MAX);
}

#[test]
fn a_minority_has_no_leader_removes_nobody_and_takes_nobody_in() {
    let mut one = member(5);
    for time in 0..=40 {
        beats(&mut one, &[2], time);
        one.on_time(at(time));
    }
    assert_eq!(one.view().members(), [ME, AgentId(2)]);
    assert_eq!(one.view().leader(), None);
    assert!((3..=5).all(|dead| one.roster().standing(AgentId(dead)).unwrap().is_down()));
    one.take_say();
    one.on_join(at(40), AgentId(9));
    assert!(one.roster().standing(AgentId(9)).is_none() && one.take_say().is_empty());
}

#[test]
fn the_dead_are_greeted_in_turn() {
    let mut one = member(4);
    for time in 0..=5 {
        one.on_time(at(time));
        one.take_say();
    }
    let greeted: Vec<Say> = (6..=9)
        .flat_map(|time| {
            one.on_time(at(time));
            one.take_say()
        })
        .collect();
    assert_eq!(greeted, [4, 2, 3, 4].map(|agent| Say::Roster(AgentId(agent))));
}

#[test]
fn the_turn_of_greeting_passes_the_highest_number() {
    let founding = Founding::new(Shape::Mesh, [ME, AgentId(2), AgentId(u32::MAX)]);
    let mut one = Membership::found(at(0), ME, timing(), &founding);
    let mut greeted = Vec::new();
    for time in 0..=9 {
        one.on_time(at(time));
        let said = one.take_say();
        greeted.extend(said.into_iter().filter(|say| time > 4 && matches!(say, Say::Roster(_))));
    }
    let expected = [u32::MAX, 2, u32::MAX, 2, u32::MAX].map(|agent| Say::Roster(AgentId(agent)));
    assert_eq!(greeted, expected);
}

#[test]
fn an_agent_that_slept_blames_nobody() {
    let mut one = member(3);
    one.on_time(at(0));
    one.on_time(at(1));
    one.on_time(at(60));
    assert_eq!(one.view().members().len(), 3);
    assert!(one.take_news().is_empty());
}

#[test]
fn a_newcomer_asks_until_it_is_taken_in() {
    let mut one = member(2);
    let mut new = Membership::join(at(0), AgentId(7), timing(), vec![AgentId(5), ME]);
    assert_eq!(new.view().leader(), None);
    new.on_time(at(0));
    new.on_time(at(1));
    assert_eq!(new.take_say(), [Say::Join(ME), Say::Join(AgentId(5))]);
    one.on_join(at(1), AgentId(7));
    assert_eq!(one.take_say(), [Say::Roster(AgentId(7))]);
    new.on_roster(at(1), ME, one.roster()).unwrap();
    assert_eq!((new.view().members(), new.view().leader()), (one.view().members(), Some(ME)));
    // Two of three have seen it then, and the smallest number of the old members is one of them.
    let standing = |of: &Membership| of.roster().standing(AgentId(7)).unwrap();
    assert_eq!((standing(&one).is_open(), standing(&new).is_open()), (true, false));
    one.on_roster(at(1), AgentId(7), new.roster()).unwrap();
    assert_eq!(new.view(), one.view());
}

#[test]
fn a_newcomer_goes_on_when_the_last_old_member_says_goodbye() {
    let mut one = member(1);
    one.on_join(at(0), AgentId(7));
    let mut new = Membership::join(at(0), AgentId(7), timing(), vec![ME]);
    new.on_roster(at(0), ME, one.roster()).unwrap();
    let mut late = Membership::join(at(0), AgentId(7), timing(), vec![ME]);
    one.leave();
    for newcomer in [&mut new, &mut late] {
        newcomer.on_roster(at(1), ME, one.roster()).unwrap();
        assert_eq!(newcomer.view().leader(), Some(AgentId(7)));
        assert!(!newcomer.roster().standing(AgentId(7)).unwrap().is_open());
    }
}

/// What one has seen is told to the others, and is no other view.
#[test]
fn what_others_have_seen_is_passed_on_and_no_news() {
    let mut one = member(4);
    one.on_join(at(0), AgentId(7));
    one.on_time(at(1));
    one.take_say();
    one.take_news();
    let before = one.view().clone();
    let mut theirs = one.roster().clone();
    theirs.acknowledge(AgentId(4));
    one.on_roster(at(1), AgentId(4), &theirs).unwrap();
    assert!(one.take_news().is_empty());
    assert_eq!((one.view().epoch(), one.view().topology()), (before.epoch(), before.topology()));
    assert_eq!(one.view().fingerprint(), theirs.fingerprint());
    one.on_time(one.next_due());
    assert_eq!(one.take_say(), [2, 3, 7].map(|agent| Say::Roster(AgentId(agent))));
    assert!(one.roster().standing(AgentId(7)).unwrap().is_open());
    theirs.acknowledge(AgentId(3));
    one.on_roster(at(1), AgentId(3), &theirs).unwrap();
    assert!(!one.roster().standing(AgentId(7)).unwrap().is_open());
    assert_eq!(one.take_news(), [News::View]);
}

#[test]
fn goodbye_is_told_to_all_neighbours() {
    let mut one = member(3);
    one.leave();
    assert_eq!(one.take_say(), [Say::Roster(AgentId(2)), Say::Roster(AgentId(3))]);
    assert_eq!(one.take_news(), [News::Excluded]);
    assert!(one.roster().standing(ME).unwrap().is_gone());
}

#[test]
fn another_epoch_in_any_frame_makes_rosters_travel() {
    let mut one = member(2);
    one.on_time(at(0));
    one.take_say();
    one.heard(at(0), AgentId(2), one.view().epoch() + 1);
    let due = one.next_due();
    assert_eq!(due, at(0).saturating_add(SECOND / 16));
    one.on_time(due);
    assert_eq!(one.take_say(), [Say::Roster(AgentId(2))]);
    assert_eq!(one.next_due(), at(1));
}
