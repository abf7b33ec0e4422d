use std::time::Duration;

use soma_core::error::{Code, Error};

use super::{Effect, Input, Machine, Share};

const DRAIN: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn given(machine: &mut Machine, partitions: &[u32]) -> Vec<Effect> {
    machine.on(Input::Assigned { partitions: partitions.to_vec(), of: 4 }, at(0))
}

fn running(partitions: &[u32]) -> Machine {
    let mut machine = Machine::new(DRAIN, Share::Some);
    given(&mut machine, partitions);
    machine
}

#[test]
fn an_assignment_is_accepted_and_each_partition_gets_a_worker() {
    let mut machine = Machine::new(DRAIN, Share::Some);
    let effects = given(&mut machine, &[0, 2]);
    assert_eq!(effects, [Effect::Accept(vec![0, 2]), Effect::Start(0), Effect::Start(2)]);
    assert_eq!(machine.running(), [0, 2]);
    assert_eq!(given(&mut machine, &[]), [Effect::Accept(vec![])], "an empty assignment is accepted too");
    assert_eq!(given(&mut machine, &[2, 3]), [Effect::Accept(vec![2, 3]), Effect::Start(3)]);
}

#[test]
fn a_revocation_is_answered_when_its_last_worker_has_finished() {
    let mut machine = running(&[0, 1, 2]);
    assert_eq!(machine.on(Input::Revoked(vec![0, 1]), at(1)), [Effect::Drain(0), Effect::Drain(1)]);
    assert_eq!(machine.on(Input::Finished(1, Ok(())), at(2)), []);
    assert_eq!(machine.on(Input::Finished(0, Ok(())), at(3)), [Effect::Release(vec![0, 1])]);
    assert_eq!(machine.running(), [2]);
    assert_eq!(machine.on(Input::Revoked(vec![]), at(4)), [Effect::Release(vec![])]);
}

#[test]
fn a_worker_that_does_not_finish_is_dropped_at_the_deadline() {
    let mut machine = running(&[0]);
    machine.on(Input::Revoked(vec![0]), at(1));
    assert_eq!(machine.deadline(), Some(at(11)));
    assert_eq!(machine.on(Input::Tick, at(10)), []);
    assert_eq!(machine.on(Input::Tick, at(11)), [Effect::Abort(0), Effect::Release(vec![0])]);
    assert_eq!(machine.deadline(), None);
    assert_eq!(machine.on(Input::Finished(0, Ok(())), at(12)), [], "a late end changes nothing");
}

#[test]
fn what_is_lost_is_dropped_at_once() {
    let mut machine = running(&[0, 1]);
    machine.on(Input::Revoked(vec![0]), at(1));
    let effects = machine.on(Input::Lost(vec![0, 1]), at(2));
    assert_eq!(effects, [Effect::Abort(0), Effect::Abort(1), Effect::Release(vec![0, 1]), Effect::Release(vec![0])]);
    assert!(machine.running().is_empty());
}

#[test]
fn a_partition_that_comes_back_while_it_drains_gets_another_worker() {
    let mut machine = running(&[0]);
    machine.on(Input::Revoked(vec![0]), at(1));
    let effects = given(&mut machine, &[0]);
    assert_eq!(effects[..3], [Effect::Accept(vec![0]), Effect::Abort(0), Effect::Start(0)]);
    assert_eq!(machine.running(), [0]);
}

#[test]
fn a_stop_drains_everything_and_then_leaves() {
    let mut machine = running(&[0, 1]);
    assert_eq!(machine.on(Input::Stop, at(1)), [Effect::Drain(0), Effect::Drain(1)]);
    assert_eq!(machine.on(Input::Finished(0, Ok(())), at(2)), []);
    assert_eq!(given(&mut machine, &[3]), [Effect::Accept(vec![3])], "nothing starts any more");
    assert_eq!(machine.on(Input::Finished(1, Ok(())), at(3)), [Effect::Leave]);
    assert_eq!(machine.on(Input::Tick, at(4)), [], "it leaves once");
    assert!(machine.left() && machine.into_result().is_ok());
}

#[test]
fn a_stop_leaves_at_the_deadline_whatever_the_workers_do() {
    let mut machine = running(&[0]);
    machine.on(Input::Stop, at(1));
    assert_eq!(machine.on(Input::Tick, at(11)), [Effect::Abort(0), Effect::Leave]);
}

#[test]
fn a_halted_worker_ends_the_run_with_its_error() {
    let mut machine = running(&[0, 1]);
    let halted = Error::new(Code::LogReplaced, "gone");
    assert_eq!(machine.on(Input::Finished(0, Err(halted)), at(1)), [Effect::Drain(1)]);
    assert_eq!(machine.on(Input::Finished(1, Ok(())), at(2)), [Effect::Leave]);
    assert_eq!(machine.into_result().map_err(|error| error.code), Err(Code::LogReplaced));
}

#[test]
fn a_worker_that_ends_by_itself_is_a_defect() {
    let mut machine = running(&[0]);
    assert_eq!(machine.on(Input::Finished(0, Ok(())), at(1)), [Effect::Leave]);
    assert_eq!(machine.into_result().map_err(|error| error.code), Err(Code::Internal));
}

#[test]
fn stores_of_their_own_refuse_a_part_of_the_partitions() {
    let mut machine = Machine::new(DRAIN, Share::All);
    assert_eq!(given(&mut machine, &[0, 1, 2]), [Effect::Accept(vec![0, 1, 2]), Effect::Leave]);
    assert_eq!(machine.into_result().map_err(|error| error.code), Err(Code::InUse));

    let mut machine = Machine::new(DRAIN, Share::All);
    given(&mut machine, &[0, 1, 2, 3]);
    assert_eq!(machine.running(), [0, 1, 2, 3]);
    machine.on(Input::Revoked(vec![3]), at(1));
    for partition in 0..4 {
        machine.on(Input::Finished(partition, Ok(())), at(2));
    }
    assert!(machine.left());
    assert_eq!(machine.into_result().map_err(|error| error.code), Err(Code::InUse));
}
