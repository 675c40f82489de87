//! That `docs/openapi.json` is true: every path is described and no other, and answers are what it says. (`just
//! schemathesis` looks for answers that it does not describe.)

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Root, Running, is_problem};

const PCM: &str = "s16le:48000:2";

fn description() -> Value {
    serde_json::from_str(include_str!("../docs/openapi.json")).unwrap()
}

/// The paths of the router, as its source has them.
fn routes() -> Vec<String> {
    let source = include_str!("../src/routes/mod.rs");
    let routes = source.split(".route(\"").skip(1).filter_map(|route| route.split_once('"'));
    routes.map(|(path, _)| path.to_owned()).collect()
}

/// Whether a described path is one of a route: `{*name}` stands for the rest, of which the description may say more.
fn belongs(path: &str, route: &str) -> bool {
    match route.split_once("{*") {
        Some((stem, _)) => path.starts_with(stem),
        None => path == route,
    }
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let (description, routes) = (description(), routes());
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    assert!(routes.len() > 9 && routes.contains(&"/audio/{*name}".to_owned()), "{routes:?}");
    for route in &routes {
        assert!(paths.iter().any(|path| belongs(path, route)), "{route} is not described");
    }
    for path in paths {
        assert!(routes.iter().any(|route| belongs(path, route)), "{path} is described and does not exist");
    }
}

/// What a `$ref` stands for, or the value itself.
fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref") {
        Some(reference) => description.pointer(&reference.as_str().unwrap()[1..]).expect("a dangling $ref"),
        None => value,
    }
}

/// What does not fit a schema, in the few words of JSON Schema that the description uses (patterns and lengths excepted).
fn misfit(description: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(description, schema).as_object().unwrap();
    schema.iter().find_map(|(word, rule)| {
        let why = match word.as_str() {
            "type" => !has_type(value, rule.as_str().unwrap()),
            "const" => value != rule,
            "enum" => !rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_some_and(|number| number > rule.as_f64().unwrap()),
            "required" => {
                rule.as_array().unwrap().iter().any(|key| value.get(key.as_str().unwrap()).is_none())
            }
            "additionalProperties" => value
                .as_object()
                .is_some_and(|object| object.keys().any(|key| schema["properties"].get(key).is_none())),
            "properties" => return of_properties(description, rule, value),
            "items" => return value.as_array()?.iter().find_map(|item| misfit(description, rule, item)),
            "allOf" => return rule.as_array()?.iter().find_map(|rule| misfit(description, rule, value)),
            "oneOf" => {
                let fits = |rule: &&Value| misfit(description, rule, value).is_none();
                rule.as_array().unwrap().iter().filter(fits).count() != 1
            }
            "description" | "examples" | "pattern" | "format" | "default" | "minLength" | "maxLength" => {
                false
            }
            other => panic!("`{other}` is not checked here"),
        };
        why.then(|| format!("{word}: {rule}, and it is {value}"))
    })
}

fn of_properties(description: &Value, rules: &Value, value: &Value) -> Option<String> {
    rules.as_object()?.iter().find_map(|(key, rule)| {
        let why = misfit(description, rule, value.get(key)?)?;
        Some(format!("{key}: {why}"))
    })
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn examples_fit_their_schemas() {
    let description = description();
    let mut count = 0;
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        for example in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
            assert_eq!(misfit(&description, schema, example), None, "{name}");
            count += 1;
        }
    }
    for (name, parameter) in description["components"]["parameters"].as_object().unwrap() {
        if let Some(example) = parameter.get("example") {
            assert_eq!(misfit(&description, &parameter["schema"], example), None, "{name}");
            count += 1;
        }
    }
    assert!(count > 10);
}

/// A growing, a finished and a broken recording, with all that one can say of them.
fn recordings() -> Root {
    let root = Root::new();
    root.finished("show", PCM, &[0; 48_000 * 4]);
    root.growing("sub/odd é", PCM, &[0; 96_000 * 4]);
    let told = "pcm = 's16le:48000:2'\ntitle = 'Evening'\nstarted = '2026-11-23T20:00:00+01:00'\ncover = 'c.png'\n\
                [[chapters]]\nstart = 0\ntitle = 'x'\nurl = 'https://radio.example'";
    root.write("sub/odd é.toml", told);
    root.finished("broken", "nonsense", &[0; 4]);
    root
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_json_are_what_is_described() {
    let (description, root) = (description(), recordings());
    let server = Running::start(&root).await;
    for (described, path, status) in [
        ("/recordings", "/recordings", 200),
        ("/recordings", "/recordings?limit=1", 200),
        ("/recordings", "/recordings?limit=0", 400),
        ("/recordings/{name}", "/recordings/show", 200),
        ("/recordings/{name}", "/recordings/sub/odd%20%C3%A9", 200),
        ("/recordings/{name}", "/recordings/show?format=mp3&byte=5000", 200),
        ("/recordings/{name}", "/recordings/show?format=mp3&byte=5&pos=9", 416),
        ("/recordings/{name}", "/recordings/broken", 500),
        ("/recordings/{name}", "/recordings/none", 404),
        ("/recordings/{name}/events", "/recordings/broken/events", 500),
        ("/recordings/{name}/chapters.json", "/recordings/sub/odd%20%C3%A9/chapters.json", 200),
        ("/recordings/{name}/chapters.json", "/recordings/show/chapters.json", 404),
        ("/recordings/{name}/chapters.json", "/recordings/broken/chapters.json", 500),
        ("/recordings/{name}/cover.png", "/recordings/sub/odd%20%C3%A9/cover.png", 404),
        ("/recordings/{name}/cover.jpg", "/recordings/broken/cover.jpg", 500),
        ("/feed.xml", "/feed.xml?limit=0", 400),
        ("/recordings.xspf", "/recordings.xspf?format=x", 400),
        ("/status-json.xsl", "/status-json.xsl", 200),
        ("/waveform/{name}.json", "/waveform/show.json", 200),
        ("/waveform/{name}.json", "/waveform/sub/odd%20%C3%A9.json?bits=8", 200),
        ("/waveform/{name}.json", "/waveform/show.json?bits=9", 400),
        ("/audio/{name}", "/audio/none", 404),
        ("/audio/{name}", "/audio/show.mp3?pos=abc", 400),
        ("/audio/{name}", "/audio/show.mp3?pos=9", 416),
        ("/assets/{version}/{file}", "/assets/0/none.js", 404),
        ("/openapi.json", "/openapi.json", 200),
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let response = &description["paths"][described]["get"]["responses"][status.to_string()];
        let response = resolved(&description, response);
        let content = &response["content"][reply.header("content-type").unwrap()];
        assert!(content.is_object(), "{path}: {:?} is not described", reply.header("content-type"));
        assert_eq!(misfit(&description, &content["schema"], &reply.json()), None, "{path}");
    }
    assert_eq!(server.get("/openapi.json").await.json(), description);
    assert_eq!(server.panics(), 0);
}

/// Every parameter with a rule that can be broken is refused by its own name when it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_described_is_one() {
    let (description, root) = (description(), recordings());
    let server = Running::start(&root).await;
    let mut count = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        for parameter in item["get"].get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolved(&description, parameter);
            let name = parameter["name"].as_str().unwrap();
            // A page tells of it in words, and every text can be searched for, or sung.
            let is_free = name == "q" || path == "/admin/metadata" && name != "mode";
            if parameter["in"] != "query" || path == "/" || is_free {
                continue;
            }
            let place = if name == "byte" || name == "time" { "&format=mp3" } else { "&format=mp3&byte=0" };
            let place = if path == "/recordings/{name}" && name != "format" { place } else { "&byte=0" };
            let path = path.replace("{name}", "show").replace("{variant}", "mp3-128-2");
            // A part is one of a segment.
            let place = if name == "_HLS_part" { "&_HLS_msn=0" } else { place };
            let reply = server.get(&format!("{path}?{name}=%21{place}")).await;
            is_problem(&reply, 400, "`!`");
            assert_eq!(reply.json()["parameter"], name, "{path}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_methods_that_are_described_are_those_that_a_path_is_said_to_have() {
    let (description, root) = (description(), recordings());
    let server = Running::start(&root).await;
    for (path, item) in description["paths"].as_object().unwrap() {
        let mut described: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|key| key.to_uppercase()).collect();
        described.insert("OPTIONS".to_owned());
        // What may be the rest of a name; a method that OpenAPI has no word for, and those by which any path is asked for.
        let beside: &[&str] = match path.as_str() {
            "/{mount}" => &["GET", "HEAD", "SOURCE"],
            path if path.starts_with("/recordings/") => &["PATCH"],
            _ => &["HEAD"],
        };
        described.extend(beside.iter().map(|method| (*method).to_owned()));
        let path = path.replace(['{', '}'], "");
        let reply = server.open("OPTIONS", &path, &[]).await.rest().await;
        let told: BTreeSet<String> = reply.header("allow").unwrap().split(", ").map(str::to_owned).collect();
        assert_eq!(told, described, "{path}");
    }
    let reply = server.open("OPTIONS", "/sub/live.mp3", &[]).await.rest().await;
    assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS, PUT, SOURCE"));
    // That is no promise to pages elsewhere.
    let asks = [("origin", "https://evil.example"), ("access-control-request-method", "PUT")];
    let reply = server.open("OPTIONS", "/live.mp3", &asks).await.rest().await;
    assert_eq!(reply.header("access-control-allow-methods"), Some("GET,HEAD"));
}
