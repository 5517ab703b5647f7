"""What the service says about itself."""


async def test_the_openapi_document_describes_everything(gateway):
    schema = (await gateway.client.get("/openapi.json")).json()
    for path, methods in schema["paths"].items():
        for method in methods.values():
            assert method["description"], path
            for parameter in method.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])
    for name, model in schema["components"]["schemas"].items():
        for field, properties in model.get("properties", {}).items():
            assert "description" in properties or "$ref" in properties, (name, field)


async def test_generated_clients_name_each_operation_well(gateway):
    schema = (await gateway.client.get("/openapi.json")).json()
    names = [one["operationId"] for methods in schema["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names) > 30
    assert all(name.isidentifier() for name in names)
    download = schema["paths"]["/jobs/{job_id}/download"]["get"]["responses"]
    for status in ("200", "206"):
        said = download[status]["content"]["application/zip"]["schema"]
        assert said == {"type": "string", "format": "binary"}


async def test_the_pages_about_the_service(gateway):
    about = (await gateway.client.get("/")).json()
    assert "POST /train" in about["endpoints"]
    formats = (await gateway.client.get("/data-format")).json()
    assert set(formats["csv"]["columns"]) == {"images_path", "question", "answer"}
    assert formats["training_config"]["num_epochs"] == 50
    assert (await gateway.client.get("/healthz")).json() == {"status": "ok"}
    assert (await gateway.client.get("/docs")).status_code == 200


async def test_every_route_is_among_the_endpoints(gateway):
    endpoints = (await gateway.client.get("/")).json()["endpoints"]
    schema = (await gateway.client.get("/openapi.json")).json()
    documented = {
        f"{method.upper()} {path}": operation["summary"]
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    assert endpoints == {**documented, "GET /ui": "The page for a browser"}
