"""What needs no token is the page and what lies under it, not what begins like it."""

from pydantic import SecretStr


async def test_only_what_lies_under_the_page_is_open(settings, start_gateway):
    protected = settings.model_copy(update={"token": SecretStr("s3cret")})
    async with start_gateway(protected) as gateway:
        for path, status in (("/ui/", 200), ("/uiX", 401), ("/ui-jobs", 401), ("/jobs", 401)):
            answer = await gateway.client.get(path, follow_redirects=True)
            assert answer.status_code == status, path
