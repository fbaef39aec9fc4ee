//! What is told of each tenant in counts.

use super::*;

#[test]
fn the_summary_counts_for_each_tenant() {
    let exchange = Exchange::start(Place::new());
    assert_eq!(exchange.ledger.summary().unwrap(), Summary::default());
    for event in every_event() {
        exchange.tell(event, context());
    }
    let last_login = exchange.tell(every_event().swap_remove(0), context());
    exchange.tell(upload(), about(2));
    let counts = TenantSummary {
        waiting: 1,
        // What was answered is not refused after it.
        answered: 1,
        refused: 0,
        deliveries: 1,
        unfetched: 0,
        oldest_unfetched: None,
        last_login: Some(last_login),
    };
    assert_eq!(exchange.ledger.summary().unwrap().tenants.into_iter().collect::<Vec<_>>(), [(bree(), counts)]);
}

#[test]
fn what_nobody_has_to_fetch_is_not_unfetched() {
    let exchange = Exchange::start(Place::new());
    let trial = DeliveryCreated { test: true, ..delivery() };
    let certificate = DeliveryCreated { removals: Some(2), ..delivery() };
    let mut since = None;
    for (byte, created) in [(1, trial), (2, certificate), (3, delivery())] {
        let file = format!("{byte}.age");
        exchange.tell(Event::DeliveryCreated(DeliveryCreated { delivery_id: id(byte), file, ..created }), about(byte));
        let available = Event::DeliveryAvailable(DeliveryStep { delivery_id: id(byte) });
        since = Some(exchange.tell(available, about(byte)));
    }
    let counts = &exchange.ledger.summary().unwrap().tenants[&bree()];
    // A trial is its tenant's own.
    assert_eq!((counts.deliveries, counts.unfetched, counts.oldest_unfetched), (2, 1, since));
}

#[test]
fn the_summary_counts_each_refusal_and_no_trial() {
    let exchange = Exchange::start(Place::new());
    let Event::Upload(whole) = upload() else { panic!() };
    exchange.tell(Event::Upload(Upload { test: true, ..whole }), about(1));
    exchange.tell(Event::ListAnswered(ListAnswered { test: true, ..answered() }), about(1));
    // One that was refused as it came is no submission; what explains it tells of it. A trial's is of a trial.
    for (byte, test) in [(2, false), (3, false), (4, true)] {
        let refused = ListRefused { rows: None, invalid: None, delivery_id: id(byte), file: String::new() };
        exchange
            .log
            .append(vec![Record::failure(Event::ListRefused(refused), "unknown-protocol", about(byte))])
            .unwrap();
        let (kind, file) = (Kind::Weigering, format!("{byte}.age"));
        let explained = DeliveryCreated { delivery_id: id(byte), file, kind, test, ..delivery() };
        exchange.tell(Event::DeliveryCreated(explained), about(byte));
        exchange.tell(Event::DeliveryAvailable(DeliveryStep { delivery_id: id(byte) }), about(byte));
    }
    let counts = &exchange.ledger.summary().unwrap().tenants[&bree()];
    assert_eq!((counts.answered, counts.refused, counts.deliveries), (0, 2, 2));
}
