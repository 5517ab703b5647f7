"""Fields of multipart forms as the OpenAPI document describes them."""

CHECKPOINT = {
    "type": "string",
    "enum": ["last", "best"],
    "default": "last",
    "description": "Which of the job's adapters: the one of its last step, or its best.",
}
