"""The Streamlit dashboard; reads storage, knows nothing of the pipeline."""
