//! Rules and prices of a small world.

use serde_json::json;

use super::*;
use crate::spec::{OverlayFile, Specs};

const TYPES: &str = r#"
[box]
doc = "A box."
identity = ["name"]
[box.price.items.content]
label = "content"
group = "one"
price = "gb"
quantity = "usage.gb"
free = "some_gb"
shared = true
doc = "What is in it."
[box.price.left.dust]
label = "dust"
group = "one"
when = "resource.name != 'clean'"
price = "gb"
quantity = "usage.gb"
shared = true
doc = "What it leaves on the shelf."
[box.attributes]
name = { type = "string", doc = "Its name." }

[engine]
doc = "What a car runs with."
identity = ["name"]
price.free = "It is part of the car."
[engine.attributes]
name = { type = "string", doc = "Its name." }
power = { type = "integer", default = 2, doc = "How strong it is." }

[car]
doc = "A car."
identity = ["name"]
[car.price]
needs = { engine = "a.engine" }
[car.price.items.fuel]
label = "fuel"
group = "two"
price = { low = "fuel.cheap", typical = "fuel.${resource.kind}", high = "fuel.dear" }
quantity = "needs.engine.power * 10.0"
doc = "What it burns."
[car.price.items.seats]
label = "seats"
group = "two"
when = "resource.name == 'taxi'"
price = "gb"
quantity = "double(size(resource.seats))"
if_unknown = "usage.seats"
doc = "Who sits in it."
[car.attributes]
name = { type = "string", doc = "Its name." }
kind = { type = "string", default = "cheap", doc = "What it burns." }
seats = { type = "list", of = "string", doc = "Who sits where." }

[riddle]
doc = "A riddle."
identity = ["name"]
price.unknown = "Nobody knows."
[riddle.attributes]
name = { type = "string", doc = "Its name." }
"#;

const PRICES: &str = "
[meta]
format = 1
currency = 'USD'
hours_per_month = 730
collected = '2026-10'
[groups]
one = 'One'
two = 'Two'
[free]
some_gb = { amount = 5, at = '2026-10', from = 'A' }
[price.gb]
unit = 'GB'
per = 1
usd.here = { usd = 0.1, at = '2026-10', trust = 'single', from = 'A' }
[price.fuel.cheap]
unit = 'hour of fuel'
per = 'hour'
floats = 'Spot'
usd.here = { usd = 0.001, at = '2026-10', trust = 'single', from = 'A' }
[price.fuel.dear]
unit = 'hour of fuel'
per = 'hour'
usd.here = { usd = 0.003, at = '2026-10', trust = 'single', from = 'A' }
";

const BLUEPRINT: &str = "
[expense.tolls]
label = 'tolls'
group = 'two'
when = 'config.far'
price = 'gb'
quantity = 3
doc = 'For roads.'
[expense.shelf]
label = 'shelf'
group = 'one'
when = 'config.far'
price = 'gb'
quantity = 2
stays = true
doc = 'It was there before.'
";

/// A resource of the small world: address, attributes, and what it needs.
type Thing<'a> = (&'a str, serde_json::Value, &'a [&'a str]);

/// What these cost, with these settings: label, resource, and low, typical and high; and below it what has no price.
fn told(things: &[Thing<'_>], settings: serde_json::Value, region: &str) -> Vec<String> {
    told_after(things, &[], settings, region)
}

/// The same after the deletion of others.
fn told_after(things: &[Thing<'_>], gone: &[Thing<'_>], settings: serde_json::Value, region: &str) -> Vec<String> {
    let file = |name: &str, types_of: Option<&str>, text: &str| OverlayFile {
        name: name.into(),
        types_of: types_of.map(str::to_owned),
        text: text.into(),
    };
    let files = [file("a.toml", Some("a"), TYPES), file("b.toml", None, BLUEPRINT), file("prices.toml", None, PRICES)];
    let specs = Specs::from_files(files).unwrap_or_else(|problems| panic!("{problems}"));
    let evaluator = Evaluator::new();
    let settings = Value::from_json(&settings);
    let market = Market::of(&specs, &evaluator, &settings, region).unwrap_or_else(|problems| panic!("{problems}"));
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let owned = |things: &[Thing<'_>]| -> Vec<(Address, Planned, Vec<Address>)> {
        let one = |(name, attributes, needs): &Thing<'_>| {
            let planned = serde_json::from_value(attributes.clone()).expect("attributes");
            (address(name), planned, needs.iter().map(|need| address(need)).collect())
        };
        things.iter().map(one).collect()
    };
    let (owned, gone) = (owned(things), owned(gone));
    let estimate = after_deleting(&market, &priced(&owned, region), &priced(&gone, region));
    let name = |address: &Option<Address>| address.as_ref().map_or_else(|| "-".to_owned(), |found| found.name.clone());
    let line = |line: &Line| {
        let [low, typical, high] = line.amount.each();
        let more = if line.assumed { ", assumed" } else { "" };
        format!("{} {}: {low} {typical} {high}{more}", name(&line.address), line.label)
    };
    let gap = |gap: &Gap| format!("{} {}? {}", name(&gap.address), gap.label, gap.why);
    estimate.lines.iter().map(line).chain(estimate.gaps.iter().map(gap)).collect()
}

fn priced<'a>(owned: &'a [(Address, Planned, Vec<Address>)], region: &'a str) -> Resources<'a> {
    let resource = |(address, planned, needs): &'a (Address, Planned, Vec<Address>)| {
        (address, Resource { region, attributes: Attributes::Desired(planned), needs: needs.iter().collect() })
    };
    owned.iter().map(resource).collect()
}

fn here(things: &[Thing<'_>], settings: serde_json::Value) -> Vec<String> {
    told(things, settings, "here")
}

#[test]
fn what_is_of_the_whole_instance_is_divided_and_an_allowance_given_once() {
    let one: &[Thing<'_>] = &[("a.box.x", json!({}), &[])];
    let two: &[Thing<'_>] = &[("a.box.x", json!({}), &[]), ("a.box.y", json!({}), &[])];
    let usage = json!({ "far": false, "cost": { "gb": [1, 12, 105] } });
    assert_eq!(here(one, usage.clone()), ["x content: $0.00 $0.70 $10.00"]);
    assert_eq!(here(two, usage), ["x content: $0.00 $0.10 $4.75", "y content: $0.00 $0.60 $5.25"]);
    let fixed = json!({ "far": false, "cost": { "gb": 12 } });
    assert_eq!(here(one, fixed), ["x content: $0.70 $0.70 $0.70"], "one number counts for all three");
}

#[test]
fn another_resource_may_decide_the_price() {
    let car = |needs: &'static [&'static str]| -> Thing<'static> { ("a.car.c", json!({ "kind": "dear" }), needs) };
    let engine = |name: &'static str, power: i64| -> Thing<'static> { (name, json!({ "power": power }), &[]) };
    let usage = || json!({ "far": false });
    let both = [car(&["a.engine.e"]), engine("a.engine.e", 1)];
    assert_eq!(here(&both, usage()), ["c fuel: $7.30 $21.90 $21.90"]);
    let by_default = [car(&["a.engine.e"]), ("a.engine.e", json!({}), &[] as &[&str])];
    assert_eq!(here(&by_default, usage()), ["c fuel: $14.60 $43.80 $43.80"], "the default of its type");
    assert_eq!(here(&[car(&[])], usage()), ["c fuel? it depends on a a.engine that is not among the resources"]);
    let many = [car(&["a.engine.e", "a.engine.f"]), engine("a.engine.e", 1), engine("a.engine.f", 2)];
    assert_eq!(here(&many, usage()), ["c fuel? it depends on more than one a.engine"]);
}

#[test]
fn what_is_known_only_after_apply_is_assumed_where_the_rule_says_what() {
    let late = json!({ "$unknown": {
        "template": "${a.box.x.names}",
        "references": [{ "address": "a.box.x", "attribute": "names" }],
        "sensitive": false,
    } });
    let engine: Thing<'_> = ("a.engine.e", json!({}), &[]);
    let car = |attributes| -> Thing<'static> { ("a.car.c", attributes, &["a.engine.e"]) };
    let usage = json!({ "far": false, "cost": { "seats": [10, 20, 30] } });
    let known = here(&[car(json!({ "name": "taxi", "seats": ["a", "b"] })), engine.clone()], usage.clone());
    assert_eq!(known[1], "c seats: $0.20 $0.20 $0.20");
    let open = here(&[car(json!({ "name": "taxi", "seats": late })), engine.clone()], usage.clone());
    assert_eq!(open[1], "c seats: $1.00 $2.00 $3.00, assumed");
    let nothing = here(&[car(json!({ "name": late })), engine], usage);
    assert_eq!(nothing[1], "c seats? it depends on a.box.x.names, which is known only after apply");
}

#[test]
fn what_has_no_price_says_why() {
    let riddle: &[Thing<'_>] = &[("a.riddle.r", json!({}), &[])];
    assert_eq!(here(riddle, json!({ "far": false })), ["r everything? Nobody knows."]);
    let boxed: &[Thing<'_>] = &[("a.box.x", json!({}), &[])];
    let usage = json!({ "far": false, "cost": { "gb": 1 } });
    assert_eq!(told(boxed, usage, "there"), ["x content? there is no price of gb in there"]);
    assert_eq!(here(boxed, json!({ "far": false })), ["x content? `usage.gb` is no number"]);
    assert_eq!(here(&[("a.ghost.g", json!({}), &[])], json!({ "far": false })).len(), 1, "a type of before");
}

#[test]
fn an_instance_has_expenses_beside_its_resources_as_long_as_it_is_there() {
    let boxed: &[Thing<'_>] = &[("a.box.x", json!({}), &[])];
    let far = json!({ "far": true, "cost": { "gb": 0 } });
    let all = ["- shelf: $0.20 $0.20 $0.20", "x content: $0.00 $0.00 $0.00", "- tolls: $0.30 $0.30 $0.30"];
    assert_eq!(here(boxed, far.clone()), all);
    assert_eq!(here(&[], far), Vec::<String>::new());
}

#[test]
fn a_deletion_leaves_what_its_type_says_and_what_was_there_before() {
    let gone: &[Thing<'_>] =
        &[("a.box.x", json!({ "name": "dusty" }), &[]), ("a.box.y", json!({ "name": "clean" }), &[])];
    let settings = json!({ "far": true, "cost": { "gb": 4 } });
    let left = ["- shelf: $0.20 $0.20 $0.20", "x dust: $0.20 $0.20 $0.20"];
    assert_eq!(told_after(&[], gone, settings.clone(), "here"), left, "divided among both boxes");
    let stays: &[Thing<'_>] = &[("a.engine.e", json!({}), &[])];
    let with = [left[0], left[1], "- tolls: $0.30 $0.30 $0.30"];
    assert_eq!(told_after(stays, gone, settings, "here"), with);
}
