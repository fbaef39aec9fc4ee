//! Lists over which a thread panics, and orders whose tenant changes while they wait, beside a real log and a real disk.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use jiff::SignedDuration;

use super::{
    AssignmentFault, DeliveryId, Exchange, ExchangeError, MergerFault, Orderer, RetentionOutcome,
    assignment::{MadeFile, RunOrder, TestFile},
    delivery::{Origin, Outgoing, Prepared, write_text},
    queue::Unshown,
    support::{Around, Present},
};
use crate::{
    domain::{
        Assignment, AssignmentId, Criteria, Ground, Kind, Tenant, TenantId,
        assignment::{Product, Recurrence, Unit},
        release::{Request, release},
    },
    dropbox::Area,
    ledger::SubmissionState,
    register::{ReferenceMonth, synth::Synth},
    transfer_log::{Actor, Context, DeliveryStep, Event, Record, entries},
};

#[test]
fn a_list_over_which_a_thread_panics_twice_is_set_aside_and_the_next_has_its_turn() {
    let around = Around::new();
    for name in ["eerst", "dan"] {
        around.upload(&format!("/test/inbox/{name}.csv"));
    }
    let submitted = around.receiving.received();
    assert_eq!(submitted.len(), 2);
    let (looked, looks) = mpsc::channel();
    let panicking = Present::of(&around.receiving.tenant).telling(looked).panicking(2);
    let exchange = around.exchange(Arc::new(panicking));
    exchange.begin();
    // The third try is of the other list, while the one that was first waits for an operator.
    let mut tries = 0;
    while tries < 3 {
        exchange.retry_now();
        tries += looks.try_iter().count();
        thread::yield_now();
    }
    exchange.stop();
    let told = entries(&around.place.dir()).unwrap().map(Result::unwrap).filter_map(|entry| match entry.event {
        Event::ListSetAside(_) => Some((entry.context.correlation.unwrap(), entry.reason.unwrap())),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let [(panicked, reason)] = &told[..] else { panic!("{told:?}") };
    let aside: Vec<_> = submitted.iter().map(|list| &list.id).filter(|id| exchange.marks.is_aside(id)).collect();
    assert_eq!((reason.as_str(), aside), ("panicked", vec![panicked]));
    // Nobody forgets it.
    assert_eq!(around.ledger.submission(panicked).unwrap().unwrap().state, SubmissionState::Waiting);
    around.log.close().unwrap();
}

/// What is kept by which the log knows a delivery, and the place of its entry.
fn enter(around: &Around, prepared: Prepared) -> (String, u64) {
    let Prepared { staged, created, .. } = prepared;
    let id = staged.id.clone();
    let appended = around.log.append(vec![created]).unwrap();
    staged.keep();
    (id, appended[0].seq)
}

fn about(delivery: &str, tenant: &TenantId) -> Context {
    let (tenant, correlation) = (Some(tenant.clone()), Some(delivery.to_owned()));
    Context { tenant, correlation, ..Context::of(Actor::Tenant) }
}

/// A file for a tenant, sealed and on disk.
fn stage(exchange: &Exchange, tenant: &Tenant, sequence: u32) -> Prepared {
    let reference = "proef".parse().unwrap();
    let (ground, today) = (Ground::NoPersonalData(&reference), exchange.parts.clock.today());
    let request = Request { tenant, ground, kind: Kind::Rapport, columns: None, today, uses: 0 };
    let origin = Origin::HandedOver { delivery: &DeliveryId::draw(), user: 0, amount_total: None };
    let clearance = release(request).unwrap();
    let outgoing = Outgoing { tenant, clearance, area: Area::Live, sequence, extension: "txt", origin };
    exchange.stage(outgoing, |output| write_text(output, "een regel\n")).unwrap()
}

#[test]
fn a_delivery_that_cannot_be_shown_keeps_no_other_from_it() {
    let around = Around::new();
    let tenant = around.receiving.tenant.clone();
    let exchange = around.exchange(Arc::new(Present::of(&tenant)));
    let deliveries: Vec<_> = (1..=4).map(|number| enter(&around, stage(&exchange, &tenant, number))).collect();
    let unshown = Unshown { tenant: tenant.id.clone(), deliveries: deliveries.clone() };
    let content = |at: usize| around.place.path(&format!("state/staging/{}.age", deliveries[at].0));
    // The first was in the outbox without its manifest, and its tenant removed it there.
    std::fs::remove_file(content(0)).unwrap();
    around.log.append(vec![Record::success(Event::Delete {}, about(&deliveries[0].0, &tenant.id))]).unwrap();
    // The disk does not give the second, and another delivery has the name of the third.
    let aside = std::fs::read(content(1)).unwrap();
    std::fs::remove_file(content(1)).unwrap();
    let file = |at: usize| around.ledger.delivery(&deliveries[at].0).unwrap().unwrap().file;
    let third = around.place.path(&format!("state/boxes/bree/outbox/{}", file(2)));
    std::fs::write(&third, "another").unwrap();
    assert!(matches!(exchange.publish(&unshown), Err(ExchangeError::DropBox(_))));
    let available = || {
        let rows = deliveries.iter().map(|(id, _)| around.ledger.delivery(id).unwrap().unwrap());
        rows.map(|row| row.available).collect::<Vec<_>>()
    };
    assert_eq!(available(), [false, false, false, true]);
    assert_eq!(std::fs::read(&third).unwrap(), b"another");
    // As a backup has it that was made meanwhile: the same file in both places.
    std::fs::copy(content(2), &third).unwrap();
    std::fs::write(content(1), aside).unwrap();
    exchange.publish(&unshown).unwrap();
    exchange.publish(&unshown).unwrap();
    assert_eq!(available(), [false, true, true, true]);
    let told = entries(&around.place.dir()).unwrap().map(Result::unwrap);
    assert_eq!(told.filter(|entry| matches!(entry.event, Event::DeliveryAvailable(_))).count(), 3, "each once");
    around.log.close().unwrap();
}

#[test]
fn what_is_due_is_looked_at_again_once_its_tenants_turn_has_come() {
    let around = Around::new();
    let tenant = around.receiving.tenant.clone();
    around.upload("/inbox/lijst.csv");
    let list = around.receiving.received().pop().unwrap();
    let present = Arc::new(Present::of(&tenant));
    let exchange = around.exchange(present.clone());
    let (delivery, seq) = enter(&around, stage(&exchange, &tenant, 1));
    exchange.publish(&Unshown { tenant: tenant.id.clone(), deliveries: vec![(delivery.clone(), seq)] }).unwrap();
    present.change(None);
    around.clock.advance(SignedDuration::from_hours(24 * 100));
    let due = exchange.due().unwrap().remove(&tenant.id).unwrap();
    // While it waits for its turn, the file is fetched and the tenant comes back.
    let fetched = Event::DeliveryFetched(DeliveryStep { delivery_id: delivery.clone() });
    around.log.append(vec![Record::success(fetched, about(&delivery, &tenant.id))]).unwrap();
    present.change(Some(&tenant));
    let mut done = RetentionOutcome::default();
    exchange.remove_for(&tenant.id, due, &mut done, Orderer::daemon()).unwrap();
    let expired = done.deliveries.iter().map(|file| file.fetched).collect::<Vec<_>>();
    assert_eq!((expired, done.uploads.len()), (vec![true], 0), "{done:?}");
    let expired = entries(&around.place.dir()).unwrap().find_map(|entry| match entry.unwrap().event {
        Event::DeliveryExpired(expired) => Some(expired.fetched),
        _ => None,
    });
    assert_eq!(expired, Some(true));
    let row = around.ledger.submission(&list.id).unwrap().unwrap();
    assert_eq!((row.state, row.gone), (SubmissionState::Waiting, false));
    assert_eq!(around.boxes.waiting(&tenant.id).unwrap(), [list]);
    around.log.close().unwrap();
}

#[test]
fn no_drop_box_is_made_anew_whose_files_are_anothers() {
    let around = Around::new();
    let tenant = around.receiving.tenant.clone();
    around.upload("/inbox/lijst.csv");
    let present = Arc::new(Present::of(&tenant));
    let exchange = around.exchange(present.clone());
    present.change(None);
    around.clock.advance(SignedDuration::from_hours(24 * 100));
    let due = exchange.due().unwrap().remove(&tenant.id).unwrap();
    let heir = Tenant { id: "nieuwstad".parse().unwrap(), ..(*tenant).clone() };
    present.change(Some(&heir));
    let former = std::slice::from_ref(&tenant.id);
    exchange.merge_tenants(former, &heir.id, false, Orderer::daemon()).unwrap();
    let mut done = RetentionOutcome::default();
    exchange.remove_for(&tenant.id, due, &mut done, Orderer::daemon()).unwrap();
    assert!(done.is_nothing(), "{done:?}");
    assert_eq!(around.boxes.owners().unwrap(), std::slice::from_ref(&heir.id));
    assert_eq!(around.boxes.waiting(&heir.id).unwrap().len(), 1);
    around.log.close().unwrap();
}

#[test]
fn a_former_tenant_that_is_back_when_the_turn_of_its_merger_comes_keeps_its_drop_box() {
    let around = Around::new();
    let former = around.receiving.tenant.clone();
    around.upload("/inbox/lijst.csv");
    let heir = Tenant { id: "nieuwstad".parse().unwrap(), ..(*former).clone() };
    let (looked, looks) = mpsc::channel();
    let present = Arc::new(Present::of(&heir).telling(looked));
    let exchange = around.exchange(present.clone());
    let under_way = exchange.runs.lock().unwrap();
    let outcome = thread::scope(|scope| {
        let from = std::slice::from_ref(&former.id);
        let merged = scope.spawn(|| exchange.merge_tenants(from, &heir.id, false, Orderer::daemon()));
        while looks.recv().unwrap() != former.id {}
        present.add(&former);
        drop(under_way);
        merged.join().unwrap()
    });
    assert!(matches!(outcome, Err(MergerFault::StillThere(tenant)) if tenant == former.id.as_str()));
    assert_eq!(around.boxes.waiting(&former.id).unwrap().len(), 1);
    around.log.close().unwrap();
}

fn assignment(tenant: &TenantId) -> Assignment {
    Assignment {
        id: "premie-2026".parse().unwrap(),
        tenant: tenant.clone(),
        protocol: None,
        agreement: None,
        purpose: String::new(),
        criteria: Criteria::default(),
        unit: Unit::Child,
        recurrence: Recurrence::Once,
        produce: vec![Product::Gegevens],
        payment: None,
        letters: None,
    }
}

/// What comes of an order for an assignment of Bree, which leaves the configuration while the order waits.
fn of_a_tenant_that_goes(
    around: &Around,
    order: impl Fn(&Exchange, &AssignmentId) -> Result<Vec<MadeFile>, AssignmentFault> + Sync,
) -> Result<Vec<MadeFile>, AssignmentFault> {
    let tenant = around.receiving.tenant.clone();
    let assignment = assignment(&tenant.id);
    let (looked, looks) = mpsc::channel();
    let present = Arc::new(Present::of(&tenant).telling(looked).ordering(assignment.clone()));
    let exchange = around.exchange(present.clone());
    let synth = Synth { children: 400, seed: 1, month: ReferenceMonth::from(around.clock.today()) };
    let register = exchange.parts.registers.synthetic(&synth, tenant.nis_code.unwrap()).unwrap();
    exchange.parts.registers.loading().replace(Arc::new(register));
    let turn = exchange.queue.reserve(&tenant.id).unwrap();
    thread::scope(|scope| {
        let ordered = scope.spawn(|| order(&exchange, &assignment.id));
        looks.recv().unwrap();
        present.change(None);
        drop(turn);
        ordered.join().unwrap()
    })
}

#[test]
fn an_order_works_with_what_is_in_force_when_its_turn_comes() {
    let around = Around::new();
    let run = of_a_tenant_that_goes(&around, |exchange, id| {
        exchange.run_assignment(id, &RunOrder::default(), Orderer::daemon()).map(|outcome| outcome.made)
    });
    let test =
        of_a_tenant_that_goes(&around, |exchange, id| exchange.send_test(id, TestFile::Technical, Orderer::daemon()));
    let report = of_a_tenant_that_goes(&around, |exchange, id| exchange.report(id, Orderer::daemon()));
    for outcome in [run, test, report] {
        let gone = matches!(&outcome, Err(AssignmentFault::Exchange(ExchangeError::TenantGone(id))) if id == "bree");
        assert!(gone, "{outcome:?}");
    }
    around.log.close().unwrap();
}
