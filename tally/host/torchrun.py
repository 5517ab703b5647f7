"""The environment variables by which torchrun tells a process which of how many it is."""

RANK_VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "GROUP_WORLD_SIZE",
    "ROLE_RANK",
    "ROLE_WORLD_SIZE",
)
# Where they meet.
ADDRESS_VARIABLES = ("MASTER_ADDR", "MASTER_PORT")
