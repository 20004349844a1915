"""The dashboard: page frame, settings and navigation.

`stream dashboard` starts it; `streamlit run dashboard/app.py` does too, from the repository.
"""

import streamlit as st

from configs.settings import SettingsError, load_from_environment
from dashboard.views import alerts, ask, latest, timeline
from models.speech import BundleSpeech, Words
from storage.ask import OpenVerbs


@st.cache_resource
def _speech(bundle: str) -> BundleSpeech:
    """One for all visitors: text towers are large."""
    return BundleSpeech(bundle)


@st.cache_data(ttl=60)
def _words(bundle: str, detector_given: bool) -> Words:
    return Words.of(bundle, detector_given=detector_given)


def main() -> None:
    st.set_page_config(page_title="hoi-stream", page_icon="👁️", layout="wide")
    try:
        settings = load_from_environment()
    except SettingsError as error:
        st.error(str(error))
        st.stop()
    url, media = settings.database.url, str(settings.media.absolute())
    known = OpenVerbs.of(
        _speech(settings.bundle), settings.vectors.every_seconds, settings.smoothing.default
    )
    words = _words(settings.bundle, settings.detector is not None)
    pages = [
        st.Page(lambda: ask.render(url, media, known), title="Ask", url_path="ask", default=True),
        st.Page(lambda: timeline.render(url), title="Timeline", url_path="timeline"),
        st.Page(lambda: latest.render(url), title="Latest", url_path="latest"),
        st.Page(
            lambda: alerts.render(url, words.verbs, words.objects),
            title="Alerts",
            url_path="alerts",
        ),
    ]
    st.navigation(pages, position="top").run()


main()
