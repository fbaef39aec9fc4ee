//! JSON Schemas of the files (draft 2020-12), for editors: what may stand where, before `check` judges what it means.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Keys, Shape};
use crate::domain::{Kind, TenantKind};

const TENANT: &str = "tenant.schema.json";

/// The schema of each kind of file, with the name of its file.
pub fn schemas() -> Vec<(&'static str, Value)> {
    [
        ("groeikluis.schema.json", "groeikluis.yaml", &keys::MAIN),
        (TENANT, "a tenant's file", &keys::TENANT),
        ("assignment.schema.json", "an assignment's file", &keys::ASSIGNMENT),
        ("costs.schema.json", "costs.yaml", &keys::COSTS),
        ("sources.schema.json", "sources.yaml", &keys::SOURCES),
    ]
    .into_iter()
    .map(|(name, title, keys)| {
        let mut schema = Map::new();
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!(format!("groeikluis: {title}")));
        schema.extend(mapping(keys));
        if name == TENANT {
            // Nothing is sealed to an auditor.
            schema.insert("if".to_owned(), json!({"properties": {"kind": {"const": TenantKind::Auditor.name()}}}));
            schema.insert("else".to_owned(), json!({"required": ["recipients"]}));
        }
        (name, Value::Object(schema))
    })
    .collect()
}

fn mapping(keys: &Keys) -> Map<String, Value> {
    let properties: Map<String, Value> = keys.keys.iter().map(|key| (key.name.to_owned(), described(key))).collect();
    let required: Vec<&str> = keys.required().collect();
    object(properties, &required)
}

fn object(properties: Map<String, Value>, required: &[&str]) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn described(key: &Key) -> Value {
    let mut schema = shape(&key.shape);
    schema.insert("description".to_owned(), json!(key.about));
    Value::Object(schema)
}

fn shape(shape: &Shape) -> Map<String, Value> {
    let schema = match shape {
        Shape::Text => json!({"type": "string", "pattern": "\\S"}),
        Shape::AnyText => json!({"type": "string"}),
        Shape::Form(form) => json!({"type": "string", "pattern": form}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number => json!({"type": "integer", "minimum": 0}),
        Shape::Size => json!({
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]+\\s*(KiB|MiB|GiB|TiB)?$"},
            ],
        }),
        Shape::Day => json!({"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
        Shape::OneOf(words) => json!({"enum": words()}),
        Shape::Mapping(keys) => Value::Object(mapping(keys)),
        Shape::Filled(items) => json!({"type": "array", "minItems": 1, "items": self::shape(items)}),
        Shape::List(items) => json!({"type": "array", "items": self::shape(items)}),
        Shape::Kinds(keys) => Value::Object(kinds(keys)),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Each kind of file with the columns that it may have.
fn kinds(keys: &Keys) -> Map<String, Value> {
    let of_kind = |kind: Kind| {
        let names: Vec<&str> = kind.columns().iter().map(|column| column.name()).collect();
        let mut schema = mapping(keys);
        if let Some(columns) = schema.get_mut("properties").and_then(|properties| properties.get_mut("columns")) {
            columns["items"] = json!({"enum": names});
        }
        (kind.name().to_owned(), Value::Object(schema))
    };
    // JSON Schema has no empty enum; a kind without columns is no table.
    let kinds = Kind::ALL.into_iter().filter(|kind| !kind.columns().is_empty());
    let others = Kind::ALL.into_iter().filter(|kind| kind.columns().is_empty());
    let others = others.map(|kind| (kind.name().to_owned(), Value::Object(object(Map::new(), &[]))));
    object(kinds.map(of_kind).chain(others).collect(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_name_types_words_and_what_is_required() {
        let schemas: std::collections::BTreeMap<_, _> = schemas().into_iter().collect();
        let tenant = &schemas["tenant.schema.json"];
        assert_eq!(tenant["required"], json!(["id", "name", "kind", "keys"]));
        assert_eq!(tenant["else"]["required"], json!(["recipients"]));
        assert_eq!(tenant["additionalProperties"], json!(false));
        let properties = &tenant["properties"];
        assert_eq!(properties["kind"]["enum"][2], json!("print-partner"));
        assert_eq!(properties["keys"]["items"]["properties"]["expires"]["format"], json!("date"));
        let kinds = &properties["protocols"]["items"]["properties"]["kinds"]["properties"];
        assert_eq!(kinds["sociale-toeslag"]["properties"]["columns"]["items"]["enum"][0], json!("niss"));
        assert_eq!(
            schemas["groeikluis.schema.json"]["properties"]["limits"]["properties"]["list_rows"]["type"],
            "integer"
        );
    }
}
