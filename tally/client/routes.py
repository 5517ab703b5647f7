"""The methods that both clients have, each a route of the gateway."""

from tally.client import calls
from tally.client.route import Route


class Routes:
    """Each raises GatewayUnreachable or RequestRefused. Answers are dictionaries, whose types
    `tally.client.answers` states; a later gateway may say more in them."""

    about = Route(calls.about.get_about)
    data_format = Route(calls.about.get_data_format)
    health = Route(calls.about.get_health)
    models = Route(calls.about.list_models)
    openapi = Route(calls.about.get_openapi)
    presets = Route(calls.about.get_presets)

    upload = Route(calls.data.upload_data)
    files = Route(calls.data.list_files)
    delete_file = Route(calls.data.delete_file)
    rows = Route(calls.data.list_rows)
    picture = Route(calls.data.get_picture)

    train = Route(calls.jobs.start_training)
    rewards = Route(calls.jobs.list_rewards)
    preflight = Route(calls.jobs.preflight)
    jobs = Route(calls.jobs.list_jobs)
    job = Route(calls.jobs.get_job)
    update_job = Route(calls.jobs.update_job)
    settings = Route(calls.jobs.get_settings)
    log = Route(calls.jobs.get_log)
    cancel = Route(calls.jobs.cancel_job)
    delete_job = Route(calls.jobs.delete_job)
    metrics = Route(calls.jobs.get_metrics)
    samples = Route(calls.jobs.get_samples)

    evaluation = Route(calls.comparisons.get_evaluation)
    evaluation_file = Route(calls.comparisons.get_evaluation_file)
    evaluate = Route(calls.comparisons.evaluate_job)
    evaluate_adapter = Route(calls.comparisons.evaluate_adapter)
    comparisons = Route(calls.comparisons.list_comparisons)
    comparison = Route(calls.comparisons.get_comparison)
    cancel_comparison = Route(calls.comparisons.cancel_comparison)
    delete_comparison = Route(calls.comparisons.delete_comparison)

    predict = Route(calls.predictions.predict)
    predict_all = Route(calls.predictions.predict_all)
    predictions = Route(calls.predictions.list_predictions)
    prediction = Route(calls.predictions.get_prediction)
    prediction_csv = Route(calls.predictions.get_answers)
    cancel_prediction = Route(calls.predictions.cancel_prediction)
    delete_prediction = Route(calls.predictions.delete_prediction)
