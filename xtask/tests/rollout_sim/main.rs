//! The rollout's state machine against simulated targets: in virtual time,
//! with crashes at every record, and with whatever can go wrong on the way.
//!
//! What runs by default is a small part; `cargo nextest run -p xtask --test
//! rollout_sim --run-ignored all` runs all of it and prints figures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_macros
)]

mod classes;
mod fleet;
#[path = "../common/seed.rs"]
#[allow(dead_code)]
mod seed;
mod target;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use fleet::{
    BAD, Log, deadlines, end, host, plan, resume, run, set_qualities, three_stages, truth,
};
use seed::Seed;
use target::{Quality, Target};
use world::{Fault, World, path};
use xtask::rollout::{
    BuildOn, Class, Colour, Event, Final, Options, Phase, Plan, Policy, Runner, State, Strategy,
    rollback,
};

fn staged(seed: u64) -> (Plan, World) {
    let (plan, qualities) = three_stages(seed);
    let mut world = fleet::world(seed, &plan);
    set_qualities(&mut world, &qualities);
    (plan, world)
}

/// Crashes a rollout at every so-many-th record, in every way; how many crashes.
fn crash_points(seed: u64, every: usize) -> usize {
    let (plan, mut world) = staged(seed);
    let (log, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    truth(&world, &plan, &state);
    world.nothing_was_repeated();
    let expect = end(&world, &state);
    let mut crashes = 0;
    for record in (1..log.count).step_by(every) {
        for torn in [false, true] {
            // Nothing of the journal is left: there is no rollout to resume.
            if record == 1 && torn {
                continue;
            }
            for delay in [0, 4_000, deadlines().settled()] {
                let (plan, mut world) = staged(seed);
                let (log, none) = run(&mut world, &plan, Some((record, torn)));
                assert!(none.is_none());
                world.pass(delay);
                let (state, _) = resume(&mut world, &plan, log);
                let what = format!("seed {seed}, record {record}, torn {torn}, {delay} ms");
                assert_eq!(end(&world, &state), expect, "{what}\n{state:#?}");
                world.nothing_was_repeated();
                crashes += 1;
            }
        }
    }
    crashes
}

#[test]
fn a_resume_ends_where_an_undisturbed_run_does() {
    for seed in 0..6 {
        crash_points(seed, 41);
    }
}

#[test]
#[ignore = "long: 10,000 crash points"]
fn long_a_resume_ends_where_an_undisturbed_run_does() {
    let (mut crashes, mut seed) = (0, 0);
    while crashes < 10_000 {
        crashes += crash_points(seed, 1);
        seed += 1;
    }
    println!("{crashes} crash points in {seed} rollouts of 3 stages");
}

/// Two crashes in one rollout, the second in the session that resumes.
#[test]
fn a_resume_may_be_cut_off_too() {
    for seed in 0..30 {
        let (plan, mut world) = staged(seed);
        let (log, state) = run(&mut world, &plan, None);
        let expect = end(&world, &state.unwrap());
        let first = 2 + Seed::new(seed).below(log.count - 2);
        let (plan, mut world) = staged(seed);
        let (log, _) = run(&mut world, &plan, Some((first, seed % 2 == 0)));
        let (state, mut log) = fleet::reopen(log.bytes);
        let second = log.count + 1 + Seed::new(seed + 1).below(20);
        log.crash = Some((second, seed % 3 == 0));
        let op = world.operator(&plan.id);
        let mut cut = Vec::new();
        {
            let shared = std::cell::RefCell::new(log);
            let ended = Runner::resume(state, Borrowed(&shared)).and_then(|(mut runner, first)| {
                xtask::rollout::drive(
                    &mut runner,
                    first,
                    &mut world::Hands {
                        world: &mut world,
                        op,
                    },
                )
            });
            // It may have come to its end before that.
            assert!(matches!(ended, Ok(()) | Err(())));
            cut.append(&mut shared.borrow_mut().bytes);
        }
        world.kill(op);
        let log = Log {
            bytes: cut,
            ..Log::default()
        };
        let (state, _) = resume(&mut world, &plan, log);
        assert_eq!(
            end(&world, &state),
            expect,
            "seed {seed}, {first}, {second}"
        );
        world.nothing_was_repeated();
    }
}

struct Borrowed<'a>(&'a std::cell::RefCell<Log>);

impl xtask::rollout::Sink for Borrowed<'_> {
    type Error = ();

    fn append(&mut self, events: &[Event]) -> Result<(), ()> {
        self.0.borrow_mut().append(events)
    }
}

/// Deploys, rolls back, deploys again and collects garbage on one host.
fn sequence(seed: u64) -> usize {
    let mut random = Seed::new(seed);
    let mut world = World::new(seed);
    world.add("a", Target::new(path("0"), random.chance(50)));
    let mut history: Vec<State> = Vec::new();
    let mut rollbacks = 0;
    for number in 0..6 {
        let before = world.target("a").observe();
        let generations = world.target("a").generations.clone();
        let id = format!("r{number}");
        let undo = history.last().filter(|_| random.chance(40));
        let plan = match undo.and_then(|state| rollback(state, &id, None, Some("a"))) {
            Some(plan) => plan,
            None => {
                let mut planned = host("a", 1);
                planned.closure = path(&random.below(4).to_string());
                if random.chance(20) {
                    planned.closure = path("bad");
                    let at = world.names["a"];
                    let bad = *random.pick(&BAD);
                    world.targets[at].qualities.insert(path("bad"), bad);
                }
                plan(&id, vec![planned], Options::default())
            }
        };
        let wanted = &plan.hosts[0];
        let (_, state) = run(&mut world, &plan, None);
        let state = state.unwrap();
        let target = world.target("a");
        let seen = target.observe();
        if wanted.closure == path("bad") {
            assert_eq!(seen.generation, before.generation);
            assert!(seen.is_all(&before.current), "{seen:?}");
            assert_ne!(state.exit_status(), 0);
        } else {
            assert_eq!(state.exit_status(), 0, "{state:#?}");
            assert!(seen.is_all(&wanted.closure), "{seen:?}");
        }
        if wanted.build_on == BuildOn::Existing {
            rollbacks += 1;
            // The captured generation, as long as it still leads there.
            let captured = history
                .last()
                .and_then(|state| state.hosts[0].baseline.clone());
            if let Some(number) = captured.unwrap().generation
                && generations.get(&number) == Some(&wanted.closure)
                && before.profile != wanted.closure
            {
                assert_eq!(seen.generation, number);
            }
        }
        for (number, path) in &generations {
            assert_eq!(
                target.generations.get(number),
                Some(path),
                "a generation is gone"
            );
        }
        assert!(target.store.contains(&seen.current));
        world.nothing_was_repeated();
        history.push(state);
        if random.chance(30) {
            let at = world.names["a"];
            world.targets[at].collect();
        }
    }
    rollbacks
}

#[test]
fn a_rollback_restores_what_was_captured() {
    let rollbacks: usize = (0..200).map(sequence).sum();
    assert!(rollbacks > 100, "only {rollbacks}");
}

#[test]
#[ignore = "long: 10,000 sequences"]
fn long_a_rollback_restores_what_was_captured() {
    let rollbacks: usize = (0..10_000).map(sequence).sum();
    println!("10,000 sequences of 6 rollouts, {rollbacks} of them rollbacks");
}

/// A closure that is bad for a whole stage; how many hosts it reached.
fn bad_stage(seed: u64) -> (usize, usize) {
    let mut random = Seed::new(seed);
    let count = 3 + random.below(10);
    let mut hosts = Vec::new();
    for stage in 1..=3 {
        hosts.extend((0..count).map(|at| host(&format!("h{stage}x{at}"), stage)));
    }
    let bad_stage = 1 + random.below(3) as u32;
    let share = *random.pick(&[100, 50]);
    let mut qualities = BTreeMap::new();
    for host in hosts.iter().filter(|host| host.stage == bad_stage) {
        if random.chance(share) {
            qualities.insert(host.name.clone(), *random.pick(&BAD));
        }
    }
    let budget = random.below(3);
    let options = Options {
        jobs: 1 + random.below(12),
        max_failures: budget,
        strategy: random
            .pick(&[Strategy::Rolling, Strategy::Canary(2)])
            .clone(),
        ..Options::default()
    };
    let plan = plan("r", hosts, options);
    let mut world = fleet::world(seed, &plan);
    set_qualities(&mut world, &qualities);
    let (_, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    truth(&world, &plan, &state);
    let reached: usize = qualities
        .keys()
        .filter(|name| !world.target(name).reached.is_empty())
        .count();
    assert!(
        reached <= budget + 1,
        "seed {seed}: {reached} of a budget of {budget}"
    );
    if qualities.len() > budget {
        assert_eq!(state.exit_status(), 4);
        for host in &plan.hosts {
            let target = world.target(&host.name);
            if host.stage > bad_stage {
                assert!(
                    target.record.is_none(),
                    "seed {seed}: {} was touched",
                    host.name
                );
            }
            if host.stage == bad_stage {
                let old = path(&format!("{}-old", host.name));
                assert!(target.observe().is_all(&old), "seed {seed}: {}", host.name);
            }
        }
    }
    (reached, budget)
}

#[test]
fn a_bad_closure_reaches_no_more_hosts_than_the_budget() {
    for seed in 0..60 {
        bad_stage(seed);
    }
}

#[test]
#[ignore = "long: 1,000 rollouts"]
fn long_a_bad_closure_reaches_no_more_hosts_than_the_budget() {
    let mut table: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for seed in 0..1_000 {
        let (reached, budget) = bad_stage(seed);
        *table.entry((budget, reached)).or_default() += 1;
    }
    println!("(budget, hosts reached): rollouts {table:?}");
}

/// Two colours of two hosts under load.
fn blue_green(seed: u64, bad: Option<(&str, Quality)>) -> (World, State) {
    let mut hosts = Vec::new();
    for (colour, name) in [(Colour::Blue, "blue"), (Colour::Green, "green")] {
        for number in 1..=2 {
            let mut host = host(&format!("{name}{number}"), 1);
            host.group = Some("web".into());
            host.colour = Some(colour);
            hosts.push(host);
        }
    }
    let options = Options {
        strategy: Strategy::BlueGreen(BTreeMap::from([("web".into(), Colour::Blue)])),
        ..Options::default()
    };
    let plan = plan("r", hosts, options);
    let mut world = fleet::world(seed, &plan);
    let bad = bad.map(|(name, quality)| (name.to_owned(), quality));
    set_qualities(&mut world, &bad.into_iter().collect());
    let (_, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    truth(&world, &plan, &state);
    world.nothing_was_repeated();
    (world, state)
}

#[test]
fn blue_green_moves_the_traffic_without_a_failed_request() {
    for seed in 0..20 {
        let (world, state) = blue_green(seed, None);
        assert_eq!(state.exit_status(), 0);
        assert!(world.load.requests > 100);
        assert_eq!(world.load.failed, 0, "seed {seed}");
        assert_eq!(world.switches, [("web".to_owned(), Colour::Green)]);
    }
    for quality in BAD {
        let (world, state) = blue_green(3, Some(("green1", quality)));
        assert_eq!(state.exit_status(), 4);
        assert_eq!(world.load.failed, 0, "{quality:?}");
        assert_eq!(world.switches, [], "clients must not see it");
        // The other colour fails when the traffic has left it: it goes back
        // there when that is as it was.
        let (world, _) = blue_green(3, Some(("blue2", quality)));
        assert_eq!(world.load.failed, 0, "{quality:?}");
        assert_eq!(world.groups["web"], Colour::Blue);
    }
}

/// Two operators with a rollout each on the same hosts, one of which may die.
fn two_operators(seed: u64) {
    let mut random = Seed::new(seed);
    let hosts = |suffix: &str| {
        let named = |name: &str| {
            let mut host = host(name, 1);
            host.closure = path(&format!("{name}-{suffix}"));
            host
        };
        vec![named("a"), named("b"), named("c")]
    };
    let options = Options {
        at_risk: Some(3),
        ..Options::default()
    };
    let plans = [
        plan("one", hosts("one"), options.clone()),
        plan("two", hosts("two"), options.clone()),
    ];
    let mut world = fleet::world(seed, &plans[0]);
    let late = random.below(30);
    let dies = random.chance(50).then(|| 5 + random.below(60));
    let mut sessions = Vec::new();
    let mut turns = 0;
    // That no two activations run at once is asserted by every target.
    loop {
        while sessions.len() < if turns < late { 1 } else { 2 } {
            let plan = &plans[sessions.len()];
            let op = world.operator(&plan.id);
            let (runner, first) = Runner::start(plan.clone(), Log::default()).unwrap();
            first.into_iter().for_each(|action| world.begin(op, action));
            sessions.push(runner);
        }
        if Some(turns) == dies {
            world.kill(0);
        }
        turns += 1;
        let Some((op, action, outcome)) = world.next() else {
            if turns < late {
                continue;
            }
            break;
        };
        let event = Event::Ended {
            action: action.id,
            host: action.host,
            outcome,
        };
        for action in sessions[op].feed(event).unwrap() {
            world.begin(op, action);
        }
    }
    world.pass(deadlines().settled());
    world.nothing_was_repeated();
    for (name, at) in &world.names {
        let seen = world.targets[*at].observe();
        let one_of = ["old", "one", "two"].map(|what| path(&format!("{name}-{what}")));
        assert!(
            one_of.iter().any(|path| seen.is_all(path)),
            "seed {seed}: {name}: {seen:?}"
        );
        let settled = seen.record.is_none_or(|record| !record.is_live());
        assert!(settled || !world.targets[*at].guard, "seed {seed}: {name}");
    }
    for session in &sessions {
        let state = session.state();
        if state.exit_status() == 0 {
            assert!(state.hosts.iter().all(|host| host.is_confirmed()));
        }
    }
    let third = plan("three", hosts("three"), options);
    let (_, state) = run(&mut world, &third, None);
    let state = state.unwrap();
    assert_eq!(
        state.exit_status(),
        0,
        "seed {seed}: the lock of the dead: {state:#?}"
    );
}

#[test]
fn two_operators_never_activate_at_once() {
    (0..100).for_each(two_operators);
}

#[test]
#[ignore = "long: 2,000 trials"]
fn long_two_operators_never_activate_at_once() {
    (0..2_000).for_each(two_operators);
    println!("2,000 trials of two operators, one of which may die");
}

/// Faults at random; the end of every host is true and one of two.
fn disturbed(seed: u64) -> u8 {
    let (plan, mut world) = staged(seed);
    let mut random = Seed::new(seed ^ 0xfa17);
    for _ in 0..1 + random.below(3) {
        let fault = match random.below(4) {
            0 => Fault::CutLink(random.below(60_000) as u64),
            1 => Fault::Reset,
            2 => Fault::DiskFull(20_000),
            _ => Fault::Foreign(random.below(20_000) as u64),
        };
        let host = random.below(plan.hosts.len());
        world.fault(random.below(90_000) as u64, host, fault);
    }
    let (_, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    world.pass(2 * deadlines().settled());
    truth(&world, &plan, &state);
    world.nothing_was_repeated();
    for (deadline, begun) in &world.watchdogs {
        assert!(*begun <= deadline + 5_000, "{deadline} {begun}");
    }
    state.exit_status()
}

#[test]
fn whatever_happens_hosts_end_on_the_new_or_the_old() {
    let ends: BTreeSet<u8> = (0..150).map(disturbed).collect();
    assert!(ends.contains(&0) && ends.contains(&4), "{ends:?}");
}

#[test]
#[ignore = "long: 5,000 disturbed rollouts"]
fn long_whatever_happens_hosts_end_on_the_new_or_the_old() {
    let mut ends: BTreeMap<u8, usize> = BTreeMap::new();
    for seed in 0..5_000 {
        *ends.entry(disturbed(seed)).or_default() += 1;
    }
    println!("exit statuses of 5,000 disturbed rollouts: {ends:?}");
}

/// One host and what is special about it; its end, its class, the exit status.
fn check(
    change: impl FnOnce(&mut xtask::rollout::HostPlan, &mut Options, &mut Target),
    expect: (Final, Option<Class>, u8),
) {
    let mut planned = host("a", 1);
    let mut options = Options::default();
    let mut target = Target::new(path("a-old"), true);
    change(&mut planned, &mut options, &mut target);
    let plan = plan("r", vec![planned], options);
    let mut world = World::new(1);
    world.add("a", target);
    let (_, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    let host = &state.hosts[0];
    let class = host.failure.as_ref().map(|failure| failure.class);
    let (end, expected_class, status) = expect;
    let expect = (Phase::Final(end), expected_class, status);
    assert_eq!((host.phase.clone(), class, state.exit_status()), expect);
    world.nothing_was_repeated();
}

#[test]
fn every_class_of_failure_has_its_end() {
    use Final::{Confirmed, Pending, RolledBack, Untouched};
    let quality = |quality| {
        move |target: &mut Target| {
            target.qualities.insert(path("a-new"), quality);
        }
    };
    check(|_, _, _| {}, (Confirmed, None, 0));
    check(
        |host, _, _| host.closure = path("a-old"),
        (Confirmed, None, 0),
    );
    for (what, class) in [
        (Quality::ActivationFails, Class::Activation),
        (Quality::ActivationHangs, Class::Hang),
        (Quality::HealthFails, Class::Health),
        (Quality::CutsLink, Class::Link),
    ] {
        check(
            |_, _, target| quality(what)(target),
            (RolledBack, Some(class), 4),
        );
    }
    check(
        |_, _, target| quality(Quality::UnitsFailed)(target),
        (Confirmed, None, 0),
    );
    check(
        |_, _, target| quality(Quality::NeedsReboot)(target),
        (Confirmed, None, 0),
    );
    let no_reboot = |host: &mut xtask::rollout::HostPlan, _: &mut Options, target: &mut Target| {
        host.may_reboot = false;
        quality(Quality::NeedsReboot)(target);
    };
    check(no_reboot, (RolledBack, Some(Class::NeedsReboot), 4));
    check(
        |_, _, target| target.link = false,
        (Untouched, Some(Class::Link), 1),
    );
    let laptop = |host: &mut xtask::rollout::HostPlan, _: &mut Options, target: &mut Target| {
        host.policy = Policy::WhenReachable;
        target.link = false;
    };
    check(laptop, (Pending, None, 1));
    check(
        |_, _, target| target.disk_full = true,
        (Untouched, Some(Class::Copy), 1),
    );
    check(
        |_, _, target| target.foreign_until = 9_000,
        (Confirmed, None, 0),
    );
    let held = |_: &mut _, _: &mut _, target: &mut Target| target.foreign_until = u64::MAX;
    check(held, (RolledBack, Some(Class::Busy), 4));
    let drift = |target: &mut Target| target.boot_default = path("other");
    check(
        |_, _, target| drift(target),
        (Untouched, Some(Class::Drift), 3),
    );
    let adopted = |_: &mut _, options: &mut Options, target: &mut Target| {
        options.adopt_drift = Some(xtask::rollout::AdoptDrift::Current);
        drift(target);
    };
    check(adopted, (Confirmed, None, 0));
}

#[test]
fn a_resume_catches_up_with_those_that_were_away() {
    let mut laptop = host("laptop", 1);
    laptop.policy = Policy::WhenReachable;
    let plan = plan("r", vec![laptop, host("server", 2)], Options::default());
    let mut world = fleet::world(1, &plan);
    world.targets[0].link = false;
    let (log, state) = run(&mut world, &plan, None);
    let state = state.unwrap();
    assert_eq!((state.exit_status(), state.confirmed.len()), (4, 2));
    world.targets[0].link = true;
    let (state, _) = resume(&mut world, &plan, log);
    assert_eq!(state.exit_status(), 0);
    truth(&world, &plan, &state);
}

#[test]
fn an_abort_takes_back_what_is_not_past_the_commit_point() {
    for turns in 1..60 {
        let (plan, mut world) = staged(4);
        let op = world.operator(&plan.id);
        let (mut runner, first) = Runner::start(plan.clone(), Log::default()).unwrap();
        first.into_iter().for_each(|action| world.begin(op, action));
        let mut turn = 0;
        while let Some((op, action, outcome)) = world.next() {
            turn += 1;
            let event = Event::Ended {
                action: action.id,
                host: action.host,
                outcome,
            };
            let mut actions = runner.feed(event).unwrap();
            if turn == turns {
                actions.extend(runner.feed(Event::Abort).unwrap());
            }
            let open = &runner.state().open;
            actions.retain(|action| open.contains_key(&action.id));
            actions
                .into_iter()
                .for_each(|action| world.begin(op, action));
        }
        assert!(runner.state().finished, "{turns}");
        truth(&world, &plan, runner.state());
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// What the orchestrator adds to the ideal schedule, in which somebody is always at
/// work for every one of the places: waiting between actions, and its own time.
fn scale(count: usize) {
    let before = resident();
    let hosts: Vec<_> = (0..count).map(|at| host(&format!("h{at}"), 1)).collect();
    let jobs = 50;
    let options = Options {
        jobs,
        at_risk: Some(jobs),
        ..Options::default()
    };
    let plan = plan("r", hosts, options);
    let mut world = fleet::world(1, &plan);
    let begun = Instant::now();
    let log = Log {
        elsewhere: true,
        ..Log::default()
    };
    let (log, state) = fleet::run_with(&mut world, &plan, log);
    let own = begun.elapsed().saturating_sub(world.spent);
    let state = state.unwrap();
    assert_eq!(state.exit_status(), 0);
    let all: u64 = world.busy.values().sum();
    let longest = world.busy.values().copied().max().unwrap();
    let ideal = (all / jobs as u64).max(longest);
    let wall = world.now + u64::try_from(own.as_millis()).unwrap();
    let over = (wall as f64 / ideal as f64 - 1.0) * 100.0;
    println!(
        "{count} hosts, {jobs} at once: ideal {:.1} s, {:.1} s with {:.2} s of its own: {over:.2} % over; \
         {} actions, {} records ({} MiB on the disk); {} KiB in memory for each host, targets included",
        ideal as f64 / 1e3,
        wall as f64 / 1e3,
        own.as_secs_f64(),
        world.started,
        log.count,
        log.length >> 20,
        (resident().saturating_sub(before) / count as u64) >> 10,
    );
    // With few hosts the last ones leave places empty.
    assert!(over < 5.0 || count < 1_000, "{over:.2} %");
}

#[test]
fn a_hundred_hosts() {
    scale(100);
}

#[test]
#[ignore = "long: 1,000 and 10,000 hosts"]
fn long_thousands_of_hosts() {
    scale(1_000);
    scale(10_000);
}
